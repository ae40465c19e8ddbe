"""Staff: who works where, what they may reach, and what their leaving ends."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from app import attribution, customers
from app.attribution import PromoterKind
from app.core import auth, db
from app.core.auth import Actor, Role
from app.core.db import AsyncSession
from app.core.errors import NotFound, VersionConflict
from app.core.http import Page
from app.core.http.pages import Paging
from app.core.ids import new_id
from app.stores.errors import AccountLinked, AccountLinkNotGrantable, LoginTaken, PostMismatch, RoleNotGrantable
from app.stores.organisation import HEADQUARTERS_CODE, HEADQUARTERS_PATH, reachable_store
from app.stores.rules import may_grant, promotes
from app.stores.schemas import HeadquartersCreate, Post, StaffCreate, StaffPut, StaffStatus, StaffView

_STAFF = (
    "id, login, role, store_id AS store, unit_id AS unit, scope_path, name, customer_id AS customer, status, version"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a login is checked against."""

    staff_id: UUID
    password_hash: str


async def credentials_of(session: AsyncSession, login: str) -> Credentials | None:
    """The active person with that login, or None."""
    row = await db.fetchrow(
        session, "SELECT id, password_hash FROM stores_staff WHERE login = $1 AND status = 'active'", login
    )
    return None if row is None else Credentials(row["id"], row["password_hash"])


async def hold_active(session: AsyncSession, credentials: Credentials) -> StaffView | None:
    """The person, locked, if still active with the same password: a leaving under way is waited for."""
    row = await db.fetchrow(
        session,
        f"""SELECT {_STAFF} FROM stores_staff
            WHERE id = $1 AND password_hash = $2 AND status = 'active' FOR SHARE""",  # noqa: S608  a constant
        credentials.staff_id,
        credentials.password_hash,
    )
    return None if row is None else StaffView(**dict(row))


async def get(session: AsyncSession, actor: Actor, staff_id: UUID) -> StaffView:
    """Somebody within scope. Raises NotFound."""
    row = await db.fetchrow(
        session,
        f"SELECT {_STAFF} FROM stores_staff WHERE id = $1 AND starts_with(scope_path, $2)",  # noqa: S608  a constant
        staff_id,
        actor.scope_path,
    )
    if row is None:
        raise NotFound
    return StaffView(**dict(row))


async def list_staff(session: AsyncSession, actor: Actor, paging: Paging) -> Page[StaffView]:
    """Everyone within scope, those who left too, oldest first."""
    rows = await db.fetch(
        session,
        f"""SELECT {_STAFF} FROM stores_staff
            WHERE starts_with(scope_path, $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3""",  # noqa: S608  constants only
        actor.scope_path,
        paging.after_id("stf"),
        paging.limit + 1,
    )
    return paging.page("stf", [StaffView(**dict(row)) for row in rows], [row["id"] for row in rows])


async def staff_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """Names by id, of those who left too; an unknown id is left out."""
    rows = await db.fetch(session, "SELECT id, name FROM stores_staff WHERE id = ANY($1)", list(set(ids)))
    return {row["id"]: row["name"] for row in rows}


async def _as_now(session: AsyncSession, actor: Actor, *others: UUID) -> Actor:
    """The caller as the login stands now, which nobody can end or move before this transaction ends.

    A password is hashed between the request's check and this. The caller's row is locked with the others' in the order
    of their ids, so that two who dismiss each other do not wait in a ring. Raises Unauthenticated.
    """
    await db.execute(
        session,
        "SELECT FROM stores_staff WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
        [actor.id, *others],
    )
    return await auth.current(session, actor.family)


async def _scope_of(session: AsyncSession, actor: Actor, post: Post) -> str:
    """The path that the post reaches. Raises RoleNotGrantable, NotFound outside the actor's scope, PostMismatch."""
    if not may_grant(actor.role, post.role):
        raise RoleNotGrantable(role=post.role.value)
    if post.store is not None:
        return (await reachable_store(session, actor, post.store)).scope_path
    unit = await db.fetchrow(
        session,
        "SELECT kind, path FROM stores_unit WHERE id = $1 AND starts_with(path, $2)",
        post.unit,
        actor.scope_path,
    )
    if unit is None:
        raise NotFound
    if unit["kind"] != post.role.value:
        raise PostMismatch(role=post.role.value, kind=unit["kind"])
    path: str = unit["path"]
    return path


async def add(session: AsyncSession, actor: Actor, body: StaffCreate, *, password_hash: str) -> StaffView:
    """Somebody new, who can log in at once.

    Raises Unauthenticated, RoleNotGrantable, NotFound, PostMismatch, LoginTaken, AccountLinkNotGrantable, AccountLinked.
    """
    actor = await _as_now(session, actor)
    scope_path = await _scope_of(session, actor, body)
    if body.customer is not None:
        _require_may_link(actor)
        await _hold_account(session, body.customer)
    row = await db.fetchrow(
        session,
        f"""INSERT INTO stores_staff
                (id, login, password_hash, role, unit_id, store_id, scope_path, name, customer_id, status, version)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'active', 1)
            ON CONFLICT (login) DO NOTHING RETURNING {_STAFF}""",  # noqa: S608  a constant
        new_id(),
        body.login,
        password_hash,
        body.role.value,
        body.unit,
        body.store,
        scope_path,
        body.name,
        body.customer,
    )
    if row is None:
        raise LoginTaken
    made = StaffView(**dict(row))
    await _register(session, made)
    return made


async def change(
    session: AsyncSession, actor: Actor, staff_id: UUID, body: StaffPut, *, password_hash: str | None
) -> StaffView:
    """Replace what may change; logins, reach and credit follow in the same transaction.

    Raises Unauthenticated, NotFound, VersionConflict, RoleNotGrantable (also for dismissing oneself), PostMismatch,
    AccountLinkNotGrantable, AccountLinked.
    """
    actor = await _as_now(session, actor, staff_id)
    before = await get(session, actor, staff_id)
    dismisses_self = staff_id == actor.id and (body.status is StaffStatus.LEFT or body.role is not before.role)
    if dismisses_self or not may_grant(actor.role, before.role):
        raise RoleNotGrantable(role=before.role.value)
    if before.version != body.version:
        raise VersionConflict(version=before.version)
    scope_path = await _scope_of(session, actor, body)
    links = body.customer != before.customer
    if links:
        _require_may_link(actor)
    if body.customer is not None and (links or body.status is StaffStatus.ACTIVE):
        await _hold_account(session, body.customer, unless=staff_id)
    changed = await db.fetchrow(
        session,
        f"""UPDATE stores_staff
            SET role = $2, unit_id = $3, store_id = $4, scope_path = $5, name = $6, customer_id = $7, status = $8,
                password_hash = coalesce($9, password_hash), version = version + 1
            WHERE id = $1 RETURNING {_STAFF}""",  # noqa: S608  a constant
        staff_id,
        body.role.value,
        body.unit,
        body.store,
        scope_path,
        body.name,
        body.customer,
        body.status.value,
        password_hash,
    )
    assert changed is not None, "the row is locked"
    after = StaffView(**dict(changed))
    await _move_credit(session, before, after)
    await _move_logins(session, before, after, new_password=password_hash is not None)
    return after


def _require_may_link(actor: Actor) -> None:
    """Whoever is linked to an account earns by its links, and its owner's own commission gives way to him."""
    if actor.role is not Role.HQ:
        raise AccountLinkNotGrantable


async def _hold_account(session: AsyncSession, customer_id: UUID, unless: UUID | None = None) -> None:
    """Lock the customer, who becomes this one active person's account. Raises NotFound, AccountLinked."""
    await customers.hold(session, customer_id)
    if await db.fetchval(
        session,
        "SELECT true FROM stores_staff WHERE customer_id = $1 AND status = 'active' AND id IS DISTINCT FROM $2",
        customer_id,
        unless,
    ):
        raise AccountLinked


def _promotes(person: StaffView) -> bool:
    return person.status is StaffStatus.ACTIVE and promotes(person.role)


async def _register(session: AsyncSession, person: StaffView) -> None:
    if _promotes(person):
        await attribution.register_promoter(
            session,
            promoter_id=person.id,
            kind=PromoterKind.GUIDE,
            person_id=person.customer,
            upline_id=None,
            store_id=person.store,
            scope_path=person.scope_path,
        )


async def _move_credit(session: AsyncSession, before: StaffView, after: StaffView) -> None:
    """Future sales follow the change; frozen ones stay where they are."""
    stays = _promotes(before) and _promotes(after)
    if stays and before.customer == after.customer:
        if before.store != after.store:
            await attribution.move_promoter(session, after.id, store_id=after.store, scope_path=after.scope_path)
        return
    if _promotes(before):
        await attribution.end_promoter(session, before.id)
    await _register(session, after)


async def _move_logins(session: AsyncSession, before: StaffView, after: StaffView, *, new_password: bool) -> None:
    if after.status is StaffStatus.LEFT or new_password:
        await auth.revoke_subject(session, after.id)
    elif (before.role, before.scope_path) != (after.role, after.scope_path):
        await auth.move_scope(session, after.id, role=after.role, scope_path=after.scope_path)


async def add_headquarters(session: AsyncSession, body: HeadquartersCreate, *, password_hash: str) -> UUID:
    """The headquarters unit, if it is missing, and somebody of headquarters who can do everything; the staff id.

    Raises LoginTaken.
    """
    await db.execute(
        session,
        """INSERT INTO stores_unit (id, parent_id, kind, code, name, path, version)
           VALUES ($1, NULL, 'hq', $2, $3, $4, 1) ON CONFLICT DO NOTHING""",
        new_id(),
        HEADQUARTERS_CODE,
        "总部",
        HEADQUARTERS_PATH,
    )
    staff_id: UUID | None = await db.fetchval(
        session,
        """INSERT INTO stores_staff
               (id, login, password_hash, role, unit_id, scope_path, name, status, version)
           SELECT $1, $2, $3, $4, id, path, $5, 'active', 1 FROM stores_unit WHERE kind = 'hq'
           ON CONFLICT (login) DO NOTHING RETURNING id""",
        new_id(),
        body.login,
        password_hash,
        Role.HQ.value,
        body.name,
    )
    if staff_id is None:
        raise LoginTaken
    return staff_id
