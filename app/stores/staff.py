"""Staff: who works where, what they may reach, and what their leaving ends."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from app import attribution, customers
from app.attribution import PromoterKind
from app.core import auth
from app.core.auth import Actor, Role
from app.core.db import BulkInsert, Listing, Session, Statement, within
from app.core.errors import NotFound, VersionConflict
from app.core.ids import StaffId, new_id
from app.core.paging import Page, Paging
from app.stores import models
from app.stores.errors import AccountLinked, AccountLinkNotGrantable, LoginTaken, PostMismatch, RoleNotGrantable
from app.stores.organisation import HEADQUARTERS_CODE, HEADQUARTERS_PATH, reachable_store, unit_in_scope
from app.stores.records import STAFF_COLUMNS, Credentials, NewStaffRow, StaffRow, lock_caller, lock_staff
from app.stores.rules import may_grant, promotes
from app.stores.schemas import HeadquartersCreate, Post, StaffCreate, StaffStatus, StaffUpdate, StaffView


class _Named(msgspec.Struct, frozen=True):
    id: UUID
    name: str


_CREDENTIALS = Statement(
    "SELECT id, password_hash FROM stores_staff WHERE login = :login AND status = 'active'", Credentials
)
_OWN_CREDENTIALS = Statement(
    f"""SELECT id, password_hash FROM stores_staff
        WHERE id = :staff_id AND status = 'active' AND {within("scope_path")}""",
    Credentials,
)
_SET_PASSWORD = Statement(
    f"""UPDATE stores_staff SET password_hash = :new_hash
        WHERE id = :staff_id AND password_hash = :old_hash AND status = 'active' RETURNING {STAFF_COLUMNS}""",
    StaffRow,
)
_ACCOUNT_OF = Statement("SELECT customer_id FROM stores_staff WHERE id = :staff_id AND customer_id IS NOT NULL", UUID)
_GET = Statement(
    f"SELECT {STAFF_COLUMNS} FROM stores_staff WHERE id = :staff_id AND {within('scope_path')}",
    StaffRow,
)
_LIST = Listing(
    f"SELECT {STAFF_COLUMNS} FROM stores_staff WHERE {within('scope_path')} AND {{filters}} ORDER BY id LIMIT :limit",
    StaffRow,
    filters={"after": "id > :after"},
)
_NAMES = Statement("SELECT id, name FROM stores_staff WHERE id = ANY(:ids)", _Named)
_ADD = BulkInsert(models.Staff, NewStaffRow, conflict="ON CONFLICT (login) DO NOTHING")
_CHANGE = Statement(
    f"""UPDATE stores_staff
        SET role = :role, unit_id = :unit_id, store_id = :store_id, scope_path = :new_scope_path, name = :name,
            customer_id = :customer_id, status = :status, password_hash = coalesce(:password_hash, password_hash),
            version = version + 1
        WHERE id = :staff_id AND version = :version AND {within("scope_path")} RETURNING {STAFF_COLUMNS}""",
    StaffRow,
)
_ACCOUNT_LINKED = Statement(
    """SELECT EXISTS (SELECT 1 FROM stores_staff
                      WHERE customer_id = :customer_id AND status = 'active' AND id IS DISTINCT FROM :unless)""",
    bool,
)
_ADD_HEADQUARTERS = Statement(
    """INSERT INTO stores_unit (id, parent_id, kind, code, name, path, version)
       VALUES (:id, NULL, 'hq', :code, :name, :path, 1) ON CONFLICT DO NOTHING"""
)
_HEADQUARTERS = Statement("SELECT id FROM stores_unit WHERE kind = 'hq'", UUID)


async def credentials_of(session: Session, login: str) -> Credentials | None:
    """What the active person with that login is checked against, or None."""
    return await _CREDENTIALS.first(session, login=login)


async def get_staff(session: Session, actor: Actor, staff_id: UUID) -> StaffView:
    """A staff member within scope. Raises NotFound."""
    row = await _GET.first(session, staff_id=staff_id, scope=actor.scope)
    if row is None:
        raise NotFound
    return staff_view(row)


async def list_staff(session: Session, actor: Actor, paging: Paging) -> Page[StaffView]:
    """Everyone within scope, those who left too, oldest first."""
    return await paging.read(session, StaffId, _LIST, staff_view, scope=actor.scope)


async def staff_names(session: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """Names by id, of those who left too; an unknown id is left out."""
    return {row.id: row.name for row in await _NAMES.all(session, ids=list(set(ids)))}


def staff_view(row: StaffRow) -> StaffView:
    """A staff member as other staff see them."""
    return StaffView(
        id=row.id,
        login=row.login,
        role=row.role,
        store=row.store_id,
        unit=row.unit_id,
        scope_path=row.scope_path,
        name=row.name,
        customer=row.customer_id,
        status=row.status,
        version=row.version,
    )


async def _scope_of(session: Session, actor: Actor, post: Post) -> str:
    """The path that the post reaches. Raises RoleNotGrantable, NotFound outside the actor's scope, PostMismatch."""
    if not may_grant(actor.role, post.role):
        raise RoleNotGrantable(role=post.role)
    if post.store is not None:
        return (await reachable_store(session, actor, post.store)).scope_path
    assert post.unit is not None, "a post names a store or a unit"
    unit = await unit_in_scope(session, actor, post.unit)
    if unit.kind.value != post.role.value:
        raise PostMismatch(role=post.role, kind=unit.kind)
    return unit.path


async def add_staff(session: Session, actor: Actor, body: StaffCreate, *, password_hash: str) -> StaffView:
    """A new staff member, who can log in at once.

    Raises Unauthenticated, RoleNotGrantable, NotFound, PostMismatch, LoginTaken, AccountLinkNotGrantable, AccountLinked.
    """
    actor = await lock_caller(session, actor)
    scope_path = await _scope_of(session, actor, body)
    if body.customer is not None:
        _require_may_link(actor)
        await _lock_account(session, body.customer)
    person = NewStaffRow(
        id=new_id(),
        login=body.login,
        role=body.role,
        unit_id=body.unit,
        store_id=body.store,
        scope_path=scope_path,
        name=body.name,
        customer_id=body.customer,
        password_hash=password_hash,
    )
    if not await _ADD.run(session, [person]):
        raise LoginTaken
    await _register(session, person)
    await _move_account(session, None, person)
    return staff_view(person)


async def update_staff(
    session: Session, actor: Actor, staff_id: UUID, body: StaffUpdate, *, password_hash: str | None
) -> StaffView:
    """Replace what may change; logins, reach and credit follow in the same transaction.

    Raises Unauthenticated, NotFound, VersionConflict, RoleNotGrantable (also to those who dismiss themselves),
    PostMismatch, AccountLinkNotGrantable, AccountLinked.
    """
    actor, before = await lock_staff(session, actor, staff_id)
    dismisses_self = staff_id == actor.id and (body.status is StaffStatus.LEFT or body.role is not before.role)
    if dismisses_self or not may_grant(actor.role, before.role):
        raise RoleNotGrantable(role=before.role)
    if before.version != body.version:
        raise VersionConflict(version=before.version)
    scope_path = await _scope_of(session, actor, body)
    links = body.customer != before.customer_id
    if links:
        _require_may_link(actor)
    if body.customer is not None and (links or body.status is StaffStatus.ACTIVE):
        await _lock_account(session, body.customer, unless=staff_id)
    after = await _CHANGE.one(
        session,
        staff_id=staff_id,
        role=body.role,
        unit_id=body.unit,
        store_id=body.store,
        new_scope_path=scope_path,
        name=body.name,
        customer_id=body.customer,
        status=body.status,
        password_hash=password_hash,
        version=body.version,
        scope=actor.scope,
    )
    await _move_credit(session, before, after)
    await _move_account(session, before, after)
    await _move_logins(session, before, after, new_password=password_hash is not None)
    return staff_view(after)


def _require_may_link(actor: Actor) -> None:
    """Whoever is linked to an account earns by its links, and its owner's own commission gives way to that."""
    if actor.role is not Role.HQ:
        raise AccountLinkNotGrantable


async def _lock_account(session: Session, customer_id: UUID, unless: UUID | None = None) -> None:
    """Lock the customer, who becomes the account of this one active person. Raises NotFound, AccountLinked."""
    await customers.lock(session, customer_id)
    if await _ACCOUNT_LINKED.one(session, customer_id=customer_id, unless=unless):
        raise AccountLinked


def _promotes(person: StaffRow) -> bool:
    return person.status is StaffStatus.ACTIVE and promotes(person.role)


async def _register(session: Session, person: StaffRow) -> None:
    if _promotes(person):
        await attribution.register_promoter(
            session,
            promoter_id=person.id,
            kind=PromoterKind.GUIDE,
            person_id=person.customer_id,
            upline_id=None,
            store_id=person.store_id,
        )


async def _move_credit(session: Session, before: StaffRow, after: StaffRow) -> None:
    """Future sales follow the change; frozen ones stay where they are."""
    stays = _promotes(before) and _promotes(after)
    if stays and before.customer_id == after.customer_id:
        if before.store_id != after.store_id:
            await attribution.move_promoter(session, after.id, store_id=after.store_id)
        return
    if _promotes(before):
        await attribution.end_promoter(session, before.id)
    await _register(session, after)


async def _move_account(session: Session, before: StaffRow | None, after: StaffRow) -> None:
    """Whose account is that of staff from now on."""
    was, now = (
        person.customer_id if person is not None and person.status is StaffStatus.ACTIVE else None
        for person in (before, after)
    )
    if was == now:
        return
    if was is not None:
        await attribution.dismiss(session, was)
    if now is not None:
        await attribution.employ(session, now)


async def _move_logins(session: Session, before: StaffRow, after: StaffRow, *, new_password: bool) -> None:
    if after.status is StaffStatus.LEFT or new_password:
        await auth.revoke_subject(session, after.id)
    elif (before.role, before.scope_path) != (after.role, after.scope_path):
        await auth.move_scope(session, after.id, role=after.role, scope_path=after.scope_path)


async def add_headquarters(session: Session, body: HeadquartersCreate, *, password_hash: str) -> UUID:
    """The headquarters unit, if it is missing, and a headquarters login that can do everything; the staff id.

    Raises LoginTaken.
    """
    await _ADD_HEADQUARTERS.run(session, id=new_id(), code=HEADQUARTERS_CODE, name="总部", path=HEADQUARTERS_PATH)
    person = NewStaffRow(
        id=new_id(),
        login=body.login,
        role=Role.HQ,
        unit_id=await _HEADQUARTERS.one(session),
        store_id=None,
        scope_path=HEADQUARTERS_PATH,
        name=body.name,
        customer_id=None,
        password_hash=password_hash,
    )
    if not await _ADD.run(session, [person]):
        raise LoginTaken
    return person.id


async def account_of(session: Session, staff_id: UUID) -> UUID | None:
    """The customer account that is a staff member's own."""
    return await _ACCOUNT_OF.first(session, staff_id=staff_id)


async def own_credentials(session: Session, actor: Actor) -> Credentials | None:
    """What the actor's own password is checked against."""
    return await _OWN_CREDENTIALS.first(session, staff_id=actor.id, scope=actor.scope)


async def set_own_password(session: Session, credentials: Credentials, new_hash: str) -> StaffRow | None:
    """Another password in place of these credentials; every login of the person ends. None when they count no more."""
    person = await _SET_PASSWORD.first(
        session, staff_id=credentials.id, old_hash=credentials.password_hash, new_hash=new_hash
    )
    if person is not None:
        await auth.revoke_subject(session, person.id)
    return person
