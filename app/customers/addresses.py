"""A customer's address book."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from app.core.db import Listing, Session, Statement
from app.core.errors import NotFound, VersionConflict
from app.core.ids import AddressId, new_id
from app.core.paging import Page, Paging
from app.core.sealed import seal, unseal
from app.core.settings import Settings
from app.customers.errors import AddressesFull
from app.customers.people import lock
from app.customers.schemas import AddressCreate, AddressUpdate, AddressView

MAX_ADDRESSES = 20


class _Address(msgspec.Struct, frozen=True):
    id: UUID
    cipher: bytes
    province: str
    city: str
    district: str
    version: int
    created_at: datetime


class _Secrets(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed of an address."""

    name: str
    phone: str
    detail: str


_COLUMNS = ", ".join(_Address.__struct_fields__)
_GET = Statement(
    f"SELECT {_COLUMNS} FROM customers_address WHERE id = :address_id AND customer_id = :customer_id",
    _Address,
)
_LIST = Listing(
    f"""SELECT {_COLUMNS} FROM customers_address
        WHERE customer_id = :customer_id AND {{filters}} ORDER BY id DESC LIMIT :limit""",
    _Address,
    filters={"after": "id < :after"},
)
_COUNT = Statement("SELECT count(*) FROM customers_address WHERE customer_id = :customer_id", int)
_ADD = Statement(
    f"""INSERT INTO customers_address (id, customer_id, cipher, province, city, district, version)
        VALUES (:id, :customer_id, :cipher, :province, :city, :district, 1) RETURNING {_COLUMNS}""",
    _Address,
)
_CHANGE = Statement(
    f"""UPDATE customers_address
        SET cipher = :cipher, province = :province, city = :city, district = :district, version = version + 1
        WHERE id = :address_id AND customer_id = :customer_id AND version = :version RETURNING {_COLUMNS}""",
    _Address,
)
_DELETE = Statement("DELETE FROM customers_address WHERE id = :address_id AND customer_id = :customer_id")


def _columns(settings: Settings, body: AddressCreate) -> dict[str, Any]:
    secrets = msgspec.json.encode(_Secrets(body.name, body.phone, body.detail)).decode()
    return {
        "cipher": seal(settings, secrets),
        "province": body.province,
        "city": body.city,
        "district": body.district,
    }


def _view(settings: Settings, row: _Address) -> AddressView:
    secrets = msgspec.json.decode(unseal(settings, row.cipher), type=_Secrets)
    return AddressView(
        id=row.id,
        name=secrets.name,
        phone=secrets.phone,
        province=row.province,
        city=row.city,
        district=row.district,
        detail=secrets.detail,
        version=row.version,
        created_at=row.created_at,
    )


async def get_address(session: Session, settings: Settings, customer_id: UUID, address_id: UUID) -> AddressView:
    """One address of this customer. Raises NotFound."""
    row = await _GET.first(session, address_id=address_id, customer_id=customer_id)
    if row is None:
        raise NotFound
    return _view(settings, row)


async def list_addresses(session: Session, settings: Settings, customer_id: UUID, paging: Paging) -> Page[AddressView]:
    """The address book, newest first."""
    return await paging.read(session, AddressId, _LIST, partial(_view, settings), customer_id=customer_id)


async def create_address(session: Session, settings: Settings, customer_id: UUID, body: AddressCreate) -> AddressView:
    """Write an address into the book. Raises AddressesFull, NotFound when the customer is gone."""
    await lock(session, customer_id)
    if await _COUNT.one(session, customer_id=customer_id) >= MAX_ADDRESSES:
        raise AddressesFull(limit=MAX_ADDRESSES)
    row = await _ADD.one(session, id=new_id(), customer_id=customer_id, **_columns(settings, body))
    return _view(settings, row)


async def update_address(
    session: Session, settings: Settings, customer_id: UUID, address_id: UUID, body: AddressUpdate
) -> AddressView:
    """Replace an address. Raises NotFound, VersionConflict."""
    row = await _CHANGE.first(
        session, address_id=address_id, customer_id=customer_id, version=body.version, **_columns(settings, body)
    )
    if row is None:
        current = await get_address(session, settings, customer_id, address_id)
        raise VersionConflict(version=current.version)
    return _view(settings, row)


async def delete_address(session: Session, customer_id: UUID, address_id: UUID) -> None:
    """Strike an address from the book. Raises NotFound."""
    if not await _DELETE.run(session, address_id=address_id, customer_id=customer_id):
        raise NotFound
