"""Rows of stores, and the locking reads with their reader's scope."""

from datetime import date, datetime
from uuid import UUID

import msgspec

from app.core import auth
from app.core.auth import Actor, Role
from app.core.db import Session, Statement, within
from app.core.errors import NotFound
from app.stores.schemas import EntryKind, Party, SplitRole, StaffStatus, StoreStatus, UnitKind


class UnitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `stores_unit`."""

    id: UUID
    parent_id: UUID | None
    kind: UnitKind
    code: str
    name: str
    path: str
    version: int = 1


class StoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `stores_store`."""

    id: UUID
    unit_id: UUID
    code: str
    name: str
    city: str
    address: str
    latitude: float
    longitude: float
    phone: str | None
    path: str
    status: StoreStatus = StoreStatus.OPEN
    is_legal_entity: bool = False
    version: int = 1


class StaffRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `stores_staff`, without the password."""

    id: UUID
    login: str
    role: Role
    unit_id: UUID | None
    store_id: UUID | None
    scope_path: str
    name: str
    customer_id: UUID | None
    status: StaffStatus = StaffStatus.ACTIVE
    version: int = 1


class NewStaffRow(StaffRow, frozen=True, kw_only=True):
    """A row of `stores_staff` as it is written first."""

    password_hash: str


class Credentials(msgspec.Struct, frozen=True):
    """What a login is checked against."""

    id: UUID
    password_hash: str


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `stores_performance`, without its number."""

    order_id: UUID
    line_id: UUID
    source_id: UUID
    kind: EntryKind
    role: SplitRole
    store_id: UUID
    guide_id: UUID | None
    scope_path: str
    credited_guide_id: UUID | None
    fulfilling_store_id: UUID | None
    fulfilling_path: str | None
    inviting_store_id: UUID | None
    inviting_path: str | None
    amount_fen: int
    business_at: datetime
    rule_id: UUID | None


class PathDayRow(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A row of `stores_path_day`."""

    day: date
    scope_path: str
    sales_fen: int
    refunds_fen: int
    orders: int
    own_part_fen: int
    fulfilled_fen: int
    inviting_fen: int


class PartyDayRow(PathDayRow, frozen=True, kw_only=True, order=True):
    """A row of `stores_party_day`."""

    role: Party
    party_id: UUID


UNIT_COLUMNS = ", ".join(UnitRow.__struct_fields__)
STORE_COLUMNS = ", ".join(StoreRow.__struct_fields__)
STAFF_COLUMNS = ", ".join(StaffRow.__struct_fields__)

_LOCK_HEADQUARTERS = Statement("SELECT id FROM stores_unit WHERE kind = 'hq' FOR NO KEY UPDATE", UUID)
_LOCK_STAFF = Statement(
    f"""SELECT {STAFF_COLUMNS} FROM stores_staff
        WHERE id = :own_id OR (id = :staff_id AND {within("scope_path")}) ORDER BY id FOR NO KEY UPDATE""",
    StaffRow,
)
_LOCK_LOGIN = Statement(
    f"""SELECT {STAFF_COLUMNS} FROM stores_staff
        WHERE id = :id AND password_hash = :password_hash AND status = 'active' FOR SHARE""",
    StaffRow,
)


async def lock_headquarters(session: Session) -> None:
    """Lock the root of the organisation: what must be unique in the whole of it is compared one after the other."""
    await _LOCK_HEADQUARTERS.first(session)


async def lock_login(session: Session, credentials: Credentials) -> StaffRow | None:
    """The person, locked, if still active with the same password: a leaving under way is waited for."""
    return await _LOCK_LOGIN.first(session, id=credentials.id, password_hash=credentials.password_hash)


async def lock_caller(session: Session, actor: Actor) -> Actor:
    """The caller as their login stands now; nobody can end or move it before this transaction ends.

    A password is hashed between the request's check and this. Raises Unauthenticated.
    """
    await _LOCK_STAFF.all(session, own_id=actor.id, staff_id=actor.id, scope=actor.scope)
    return await auth.current(session, actor.family)


async def lock_staff(session: Session, actor: Actor, staff_id: UUID) -> tuple[Actor, StaffRow]:
    """The caller as in `lock_caller`, and a staff member within their scope, locked too.

    Both are locked in the order of their ids, so that two who dismiss each other do not wait in a ring. Raises
    Unauthenticated, NotFound.
    """
    locked = await _LOCK_STAFF.all(session, own_id=actor.id, staff_id=staff_id, scope=actor.scope)
    actor = await auth.current(session, actor.family)
    found = next((row for row in locked if row.id == staff_id and actor.reaches(row.scope_path)), None)
    if found is None:
        raise NotFound
    return actor, found
