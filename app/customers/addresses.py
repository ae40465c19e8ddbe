"""A customer's address book."""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound, VersionConflict
from app.core.http import Page
from app.core.http.pages import Paging
from app.core.ids import new_id
from app.core.sealed import seal, unseal
from app.core.settings import Settings
from app.customers.errors import AddressesFull
from app.customers.people import hold
from app.customers.schemas import AddressCreate, AddressPut, AddressView

MAX_ADDRESSES = 20

_COLUMNS = "id, cipher, province, city, district, version, made_at"


def _sealed(settings: Settings, body: AddressCreate) -> bytes:
    return seal(settings, msgspec.json.encode([body.name, body.phone, body.detail]).decode())


def _view(settings: Settings, row: asyncpg.Record) -> AddressView:
    name, phone, detail = msgspec.json.decode(unseal(settings, row["cipher"]), type=tuple[str, str, str])
    return AddressView(
        id=row["id"],
        name=name,
        phone=phone,
        province=row["province"],
        city=row["city"],
        district=row["district"],
        detail=detail,
        version=row["version"],
        made_at=row["made_at"],
    )


async def get(session: AsyncSession, settings: Settings, customer_id: UUID, address_id: UUID) -> AddressView:
    """One address of this customer. Raises NotFound."""
    row = await db.fetchrow(
        session,
        f"SELECT {_COLUMNS} FROM customers_address WHERE id = $1 AND customer_id = $2",  # noqa: S608  a constant
        address_id,
        customer_id,
    )
    if row is None:
        raise NotFound
    return _view(settings, row)


async def of_customer(
    session: AsyncSession, settings: Settings, customer_id: UUID, paging: Paging
) -> Page[AddressView]:
    """The address book, newest first."""
    rows = await db.fetch(
        session,
        f"""SELECT {_COLUMNS} FROM customers_address
            WHERE customer_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3""",  # noqa: S608  constants only
        customer_id,
        paging.after_id("adr"),
        paging.limit + 1,
    )
    return paging.page("adr", [_view(settings, row) for row in rows], [row["id"] for row in rows])


async def add(session: AsyncSession, settings: Settings, customer_id: UUID, body: AddressCreate) -> UUID:
    """Write an address into the book. Raises AddressesFull, NotFound when the customer is gone."""
    await hold(session, customer_id)
    kept = await db.fetchval(session, "SELECT count(*) FROM customers_address WHERE customer_id = $1", customer_id)
    if kept >= MAX_ADDRESSES:
        raise AddressesFull(limit=MAX_ADDRESSES)
    address_id = new_id()
    await db.execute(
        session,
        """INSERT INTO customers_address (id, customer_id, cipher, province, city, district, version)
           VALUES ($1, $2, $3, $4, $5, $6, 1)""",
        address_id,
        customer_id,
        _sealed(settings, body),
        body.province,
        body.city,
        body.district,
    )
    return address_id


async def change(
    session: AsyncSession, settings: Settings, customer_id: UUID, address_id: UUID, body: AddressPut
) -> None:
    """Replace an address. Raises NotFound, VersionConflict."""
    changed = await db.execute(
        session,
        """UPDATE customers_address
           SET cipher = $4, province = $5, city = $6, district = $7, version = version + 1
           WHERE id = $1 AND customer_id = $2 AND version = $3""",
        address_id,
        customer_id,
        body.version,
        _sealed(settings, body),
        body.province,
        body.city,
        body.district,
    )
    if changed:
        return
    current = await db.fetchval(
        session, "SELECT version FROM customers_address WHERE id = $1 AND customer_id = $2", address_id, customer_id
    )
    if current is None:
        raise NotFound
    raise VersionConflict(version=current)


async def remove(session: AsyncSession, customer_id: UUID, address_id: UUID) -> None:
    """Strike an address from the book; orders keep their own copy. Raises NotFound."""
    if not await db.execute(
        session, "DELETE FROM customers_address WHERE id = $1 AND customer_id = $2", address_id, customer_id
    ):
        raise NotFound


async def address_snapshot(
    session: AsyncSession, settings: Settings, customer_id: UUID, address_id: UUID
) -> dict[str, Any]:
    """Where a parcel goes, to be sealed into the order: name, phone, province, city, district, detail, in plain text.

    Raises NotFound when it is not an address of this customer.
    """
    address = await get(session, settings, customer_id, address_id)
    return address.model_dump(include={"name", "phone", "province", "city", "district", "detail"})
