"""Units and stores: the tree that scopes are cut from."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app import attribution, customers, mall
from app.attribution import BondKind
from app.core import db
from app.core.auth import Actor
from app.core.db import AsyncSession
from app.core.errors import NotFound, VersionConflict
from app.core.http import Page
from app.core.http.pages import Paging
from app.core.ids import new_id
from app.stores.errors import OrganisationCodeTaken
from app.stores.schemas import (
    MyStoreView,
    StoreCard,
    StoreCreate,
    StorePut,
    StoreStatus,
    StoreView,
    UnitCreate,
    UnitPut,
    UnitView,
)

HEADQUARTERS_CODE = "hq"
HEADQUARTERS_PATH = "/hq/"

_UNIT = "id, parent_id AS parent, kind, code, name, path, version"
_STORE = "id, unit_id AS unit, code, name, city, address, latitude, longitude, phone, path, status, version"


@dataclass(frozen=True, slots=True)
class StoreRef:
    """A store as the rooms above know it."""

    id: UUID
    name: str
    scope_path: str


async def reachable_store(session: AsyncSession, actor: Actor, store_id: UUID) -> StoreRef:
    """The store, if it lies within the staff member's scope. Raises NotFound."""
    found = (await store_refs(session, [store_id])).get(store_id)
    if found is None or not actor.reaches(found.scope_path):
        raise NotFound
    return found


async def store_refs(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, StoreRef]:
    """Stores by id; an unknown id is left out."""
    rows = await db.fetch(session, "SELECT id, name, path FROM stores_store WHERE id = ANY($1)", list(set(ids)))
    return {row["id"]: StoreRef(row["id"], row["name"], row["path"]) for row in rows}


async def _path_of_parent(session: AsyncSession, actor: Actor, unit_id: UUID) -> str:
    path: str | None = await db.fetchval(
        session,
        "SELECT path FROM stores_unit WHERE id = $1 AND starts_with(path, $2)",
        unit_id,
        actor.scope_path,
    )
    if path is None:
        raise NotFound
    return path


async def _refuse_taken_code(session: AsyncSession, code: str) -> None:
    """A unit and a store may not share a code either. Headquarters is locked first: codes are compared one after the
    other, also those opened at once below different units."""
    await db.execute(session, "SELECT FROM stores_unit WHERE kind = 'hq' FOR NO KEY UPDATE")
    if await db.fetchval(
        session,
        """SELECT EXISTS (SELECT 1 FROM stores_unit WHERE code = $1)
               OR EXISTS (SELECT 1 FROM stores_store WHERE code = $1)""",
        code,
    ):
        raise OrganisationCodeTaken(code=code)


async def add_unit(session: AsyncSession, actor: Actor, body: UnitCreate) -> UUID:
    """A region below a unit within scope. Raises NotFound, OrganisationCodeTaken."""
    parent_path = await _path_of_parent(session, actor, body.parent)
    await _refuse_taken_code(session, body.code)
    unit_id = new_id()
    written = await db.execute(
        session,
        """INSERT INTO stores_unit (id, parent_id, kind, code, name, path, version)
           VALUES ($1, $2, 'region', $3, $4, $5, 1) ON CONFLICT DO NOTHING""",
        unit_id,
        body.parent,
        body.code,
        body.name,
        f"{parent_path}{body.code}/",
    )
    if not written:
        raise OrganisationCodeTaken(code=body.code)
    return unit_id


async def get_unit(session: AsyncSession, actor: Actor, unit_id: UUID) -> UnitView:
    """A unit within scope. Raises NotFound."""
    row = await db.fetchrow(
        session,
        f"SELECT {_UNIT} FROM stores_unit WHERE id = $1 AND starts_with(path, $2)",  # noqa: S608  a constant
        unit_id,
        actor.scope_path,
    )
    if row is None:
        raise NotFound
    return UnitView(**dict(row))


async def list_units(session: AsyncSession, actor: Actor, paging: Paging) -> Page[UnitView]:
    """Units within scope, oldest first."""
    rows = await db.fetch(
        session,
        f"""SELECT {_UNIT} FROM stores_unit
            WHERE starts_with(path, $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3""",  # noqa: S608  constants only
        actor.scope_path,
        paging.after_id("org"),
        paging.limit + 1,
    )
    return paging.page("org", [UnitView(**dict(row)) for row in rows], [row["id"] for row in rows])


async def change_unit(session: AsyncSession, actor: Actor, unit_id: UUID, body: UnitPut) -> None:
    """Another name. Raises NotFound, VersionConflict."""
    changed = await db.execute(
        session,
        """UPDATE stores_unit SET name = $4, version = version + 1
           WHERE id = $1 AND starts_with(path, $2) AND version = $3""",
        unit_id,
        actor.scope_path,
        body.version,
        body.name,
    )
    if not changed:
        raise VersionConflict(version=(await get_unit(session, actor, unit_id)).version)


async def add_store(session: AsyncSession, actor: Actor, body: StoreCreate) -> UUID:
    """Open a store and its stock place. Raises NotFound, OrganisationCodeTaken."""
    unit_path = await _path_of_parent(session, actor, body.unit)
    await _refuse_taken_code(session, body.code)
    store_id = new_id()
    path = f"{unit_path}{body.code}/"
    written = await db.execute(
        session,
        """INSERT INTO stores_store
               (id, unit_id, code, name, city, address, latitude, longitude, phone, path, status, version)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'open', 1) ON CONFLICT DO NOTHING""",
        store_id,
        body.unit,
        body.code,
        body.name,
        body.city,
        body.address,
        body.latitude,
        body.longitude,
        body.phone,
        path,
    )
    if not written:
        raise OrganisationCodeTaken(code=body.code)
    await mall.open_place(session, place_id=store_id, name=body.name, scope_path=path)
    return store_id


async def get_store(session: AsyncSession, actor: Actor, store_id: UUID) -> StoreView:
    """A store within scope. Raises NotFound."""
    row = await db.fetchrow(
        session,
        f"SELECT {_STORE} FROM stores_store WHERE id = $1 AND starts_with(path, $2)",  # noqa: S608  a constant
        store_id,
        actor.scope_path,
    )
    if row is None:
        raise NotFound
    return StoreView(**dict(row))


async def list_stores(session: AsyncSession, actor: Actor, paging: Paging) -> Page[StoreView]:
    """Stores within scope, closed ones too, oldest first."""
    rows = await db.fetch(
        session,
        f"""SELECT {_STORE} FROM stores_store
            WHERE starts_with(path, $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3""",  # noqa: S608  constants only
        actor.scope_path,
        paging.after_id("sto"),
        paging.limit + 1,
    )
    return paging.page("sto", [StoreView(**dict(row)) for row in rows], [row["id"] for row in rows])


async def change_store(session: AsyncSession, actor: Actor, store_id: UUID, body: StorePut) -> None:
    """Replace what may change; a closed store sells nothing. Raises NotFound, VersionConflict."""
    changed = await db.execute(
        session,
        """UPDATE stores_store
           SET name = $4, city = $5, address = $6, latitude = $7, longitude = $8, phone = $9, status = $10,
               version = version + 1
           WHERE id = $1 AND starts_with(path, $2) AND version = $3""",
        store_id,
        actor.scope_path,
        body.version,
        body.name,
        body.city,
        body.address,
        body.latitude,
        body.longitude,
        body.phone,
        body.status.value,
    )
    if not changed:
        raise VersionConflict(version=(await get_store(session, actor, store_id)).version)
    await mall.update_place(session, store_id, name=body.name, is_open=body.status is StoreStatus.OPEN)


def _card(row: asyncpg.Record, distance_m: int | None = None) -> StoreCard:
    return StoreCard(
        id=row["id"],
        name=row["name"],
        city=row["city"],
        address=row["address"],
        latitude=row["latitude"],
        longitude=row["longitude"],
        phone=row["phone"],
        distance_m=distance_m,
    )


async def open_stores(session: AsyncSession, city: str | None, paging: Paging) -> Page[StoreCard]:
    """Open stores, of one city if asked, oldest first."""
    rows = await db.fetch(
        session,
        f"""SELECT {_STORE} FROM stores_store
            WHERE status = 'open' AND ($1::text IS NULL OR city = $1) AND ($2::uuid IS NULL OR id > $2)
            ORDER BY id LIMIT $3""",  # noqa: S608  a constant
        city,
        paging.after_id("sto"),
        paging.limit + 1,
    )
    return paging.page("sto", [_card(row) for row in rows], [row["id"] for row in rows])


async def nearest_stores(
    session: AsyncSession, point: tuple[float, float], city: str | None, limit: int
) -> Page[StoreCard]:
    """Open stores by their distance from a latitude and longitude, as far as one page goes."""
    rows = await db.fetch(
        session,
        f"""SELECT {_STORE}, (2 * 6371000 * asin(least(1, sqrt(
                   power(sin(radians(latitude - $1) / 2), 2)
                   + cos(radians($1)) * cos(radians(latitude)) * power(sin(radians(longitude - $2) / 2), 2)
               ))))::bigint AS distance_m
            FROM stores_store WHERE status = 'open' AND ($3::text IS NULL OR city = $3)
            ORDER BY distance_m, id LIMIT $4""",  # noqa: S608  a constant
        *point,
        city,
        limit,
    )
    return Page(items=[_card(row, row["distance_m"]) for row in rows], next=None)


async def own_store(session: AsyncSession, customer_id: UUID) -> MyStoreView:
    """The open store that the customer chose, if any."""
    row = await db.fetchrow(
        session,
        f"SELECT {_STORE} FROM stores_store WHERE id = $1 AND status = 'open'",  # noqa: S608  a constant
        await attribution.bound_store(session, customer_id),
    )
    return MyStoreView(store=_card(row) if row else None)


async def choose_store(session: AsyncSession, customer_id: UUID, store_id: UUID) -> StoreCard:
    """The customer belongs to this open store from now on. Raises NotFound."""
    await customers.hold(session, customer_id)
    row = await db.fetchrow(
        session,
        f"SELECT {_STORE} FROM stores_store WHERE id = $1 AND status = 'open'",  # noqa: S608  a constant
        store_id,
    )
    if row is None:
        raise NotFound
    await attribution.bind(session, customer_id=customer_id, kind=BondKind.STORE, promoter_id=None, store_id=store_id)
    return _card(row)
