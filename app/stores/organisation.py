"""Units and stores: the tree that scopes are cut from."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from app.core.auth import Actor, Role
from app.core.db import BulkInsert, Listing, Session, Statement, within
from app.core.errors import NotFound, VersionConflict
from app.core.ids import StoreId, UnitId, new_id
from app.core.paging import Page, Paging
from app.mall import catalog
from app.stores import models
from app.stores.errors import LegalEntityNotGrantable, OrganisationCodeTaken
from app.stores.records import STORE_COLUMNS, UNIT_COLUMNS, StoreRow, UnitRow, lock_headquarters
from app.stores.schemas import (
    StoreCreate,
    StoreStatus,
    StoreUpdate,
    StoreView,
    UnitCreate,
    UnitKind,
    UnitUpdate,
    UnitView,
)

HEADQUARTERS_CODE = "hq"
HEADQUARTERS_PATH = "/hq/"


@dataclass(frozen=True, slots=True)
class StoreRef:
    """A store as the modules above know it."""

    id: UUID
    name: str
    scope_path: str
    is_legal_entity: bool


_REF = "id, name, path AS scope_path, is_legal_entity"
_STORE_REFS = Statement(f"SELECT {_REF} FROM stores_store WHERE id = ANY(:ids)", StoreRef)
_REACHABLE_STORE = Statement(
    f"SELECT {_REF} FROM stores_store WHERE id = :store_id AND {within('path')}",
    StoreRef,
)
_CODE_TAKEN = Statement(
    """SELECT EXISTS (SELECT 1 FROM stores_unit WHERE code = :code)
           OR EXISTS (SELECT 1 FROM stores_store WHERE code = :code)""",
    bool,
)
_ADD_UNIT = BulkInsert(models.OrganisationUnit, UnitRow, conflict="ON CONFLICT DO NOTHING")
_UNIT = Statement(
    f"SELECT {UNIT_COLUMNS} FROM stores_unit WHERE id = :unit_id AND {within('path')}",
    UnitRow,
)
_UNITS = Listing(
    f"SELECT {UNIT_COLUMNS} FROM stores_unit WHERE {within('path')} AND {{filters}} ORDER BY id LIMIT :limit",
    UnitRow,
    filters={"after": "id > :after"},
)
_RENAME_UNIT = Statement(
    f"""UPDATE stores_unit SET name = :name, version = version + 1
        WHERE id = :unit_id AND version = :version AND {within("path")} RETURNING {UNIT_COLUMNS}""",
    UnitRow,
)
_ADD_STORE = BulkInsert(models.Store, StoreRow, conflict="ON CONFLICT DO NOTHING")
_STORE = Statement(
    f"SELECT {STORE_COLUMNS} FROM stores_store WHERE id = :store_id AND {within('path')}",
    StoreRow,
)
_STORES = Listing(
    f"SELECT {STORE_COLUMNS} FROM stores_store WHERE {within('path')} AND {{filters}} ORDER BY id LIMIT :limit",
    StoreRow,
    filters={"after": "id > :after"},
)
_CHANGE_STORE = Statement(
    f"""UPDATE stores_store
        SET name = :name, city = :city, address = :address, latitude = :latitude, longitude = :longitude,
            phone = :phone, status = :status, is_legal_entity = coalesce(:is_legal_entity, is_legal_entity),
            version = version + 1
        WHERE id = :store_id AND version = :version AND {within("path")} RETURNING {STORE_COLUMNS}""",
    StoreRow,
)


async def reachable_store(session: Session, actor: Actor, store_id: UUID) -> StoreRef:
    """The store, if it lies within the staff member's scope. Raises NotFound."""
    found = await _REACHABLE_STORE.first(session, store_id=store_id, scope=actor.scope)
    if found is None:
        raise NotFound
    return found


async def store_refs(session: Session, ids: Collection[UUID]) -> dict[UUID, StoreRef]:
    """Stores by id; an unknown id is left out."""
    return {store.id: store for store in await _STORE_REFS.all(session, ids=list(set(ids)))}


async def unit_in_scope(session: Session, actor: Actor, unit_id: UUID) -> UnitRow:
    """A unit within the staff member's scope. Raises NotFound."""
    found = await _UNIT.first(session, unit_id=unit_id, scope=actor.scope)
    if found is None:
        raise NotFound
    return found


async def _refuse_taken_code(session: Session, code: str) -> None:
    """A unit and a store may not share a code either, also when they are made at once below different units."""
    await lock_headquarters(session)
    if await _CODE_TAKEN.one(session, code=code):
        raise OrganisationCodeTaken(organisation_code=code)


async def create_unit(session: Session, actor: Actor, body: UnitCreate) -> UnitView:
    """A region below a unit within scope. Raises NotFound, OrganisationCodeTaken."""
    parent = await unit_in_scope(session, actor, body.parent)
    await _refuse_taken_code(session, body.code)
    unit = UnitRow(
        id=new_id(),
        parent_id=parent.id,
        kind=UnitKind.REGION,
        code=body.code,
        name=body.name,
        path=f"{parent.path}{body.code}/",
    )
    if not await _ADD_UNIT.run(session, [unit]):
        raise OrganisationCodeTaken(organisation_code=body.code)
    return _unit_view(unit)


async def get_unit(session: Session, actor: Actor, unit_id: UUID) -> UnitView:
    """A unit within scope. Raises NotFound."""
    return _unit_view(await unit_in_scope(session, actor, unit_id))


async def list_units(session: Session, actor: Actor, paging: Paging) -> Page[UnitView]:
    """Units within scope, oldest first."""
    return await paging.read(session, UnitId, _UNITS, _unit_view, scope=actor.scope)


async def update_unit(session: Session, actor: Actor, unit_id: UUID, body: UnitUpdate) -> UnitView:
    """Rename a unit within scope. Raises NotFound, VersionConflict."""
    changed = await _RENAME_UNIT.first(
        session, unit_id=unit_id, name=body.name, version=body.version, scope=actor.scope
    )
    if changed is None:
        raise VersionConflict(version=(await unit_in_scope(session, actor, unit_id)).version)
    return _unit_view(changed)


def _unit_view(row: UnitRow) -> UnitView:
    return UnitView(
        id=row.id,
        parent=row.parent_id,
        kind=row.kind,
        code=row.code,
        name=row.name,
        path=row.path,
        version=row.version,
    )


async def create_store(session: Session, actor: Actor, body: StoreCreate) -> StoreView:
    """Open a store in a unit within scope, and its stock place.

    Raises NotFound, OrganisationCodeTaken, LegalEntityNotGrantable.
    """
    _require_may_say_so(actor, body.is_legal_entity)
    unit = await unit_in_scope(session, actor, body.unit)
    await _refuse_taken_code(session, body.code)
    store = StoreRow(
        id=new_id(),
        unit_id=unit.id,
        code=body.code,
        name=body.name,
        city=body.city,
        address=body.address,
        latitude=body.latitude,
        longitude=body.longitude,
        phone=body.phone,
        path=f"{unit.path}{body.code}/",
        is_legal_entity=body.is_legal_entity or False,
    )
    if not await _ADD_STORE.run(session, [store]):
        raise OrganisationCodeTaken(organisation_code=body.code)
    await catalog.open_place(session, place_id=store.id, name=store.name, scope_path=store.path)
    return _store_view(store)


async def get_store(session: Session, actor: Actor, store_id: UUID) -> StoreView:
    """A store within scope. Raises NotFound."""
    found = await _STORE.first(session, store_id=store_id, scope=actor.scope)
    if found is None:
        raise NotFound
    return _store_view(found)


async def list_stores(session: Session, actor: Actor, paging: Paging) -> Page[StoreView]:
    """Stores within scope, closed ones too, oldest first."""
    return await paging.read(session, StoreId, _STORES, _store_view, scope=actor.scope)


async def update_store(session: Session, actor: Actor, store_id: UUID, body: StoreUpdate) -> StoreView:
    """Replace what may change; a closed store sells nothing. Raises NotFound, VersionConflict, LegalEntityNotGrantable."""
    _require_may_say_so(actor, body.is_legal_entity)
    changed = await _CHANGE_STORE.first(
        session,
        store_id=store_id,
        name=body.name,
        city=body.city,
        address=body.address,
        latitude=body.latitude,
        longitude=body.longitude,
        phone=body.phone,
        status=body.status,
        is_legal_entity=body.is_legal_entity,
        version=body.version,
        scope=actor.scope,
    )
    if changed is None:
        raise VersionConflict(version=(await get_store(session, actor, store_id)).version)
    await catalog.update_place(session, store_id, name=body.name, is_open=body.status is StoreStatus.OPEN)
    return _store_view(changed)


def _require_may_say_so(actor: Actor, is_legal_entity: bool | None) -> None:
    if is_legal_entity is not None and actor.role is not Role.HQ:
        raise LegalEntityNotGrantable


def _store_view(row: StoreRow) -> StoreView:
    return StoreView(
        id=row.id,
        unit=row.unit_id,
        code=row.code,
        name=row.name,
        city=row.city,
        address=row.address,
        latitude=row.latitude,
        longitude=row.longitude,
        phone=row.phone,
        path=row.path,
        status=row.status,
        is_legal_entity=row.is_legal_entity,
        version=row.version,
    )
