"""What hashes passwords: transaction, argon2 in a thread, transaction."""

from uuid import UUID

from app.core import auth
from app.core.auth import Actor, Kind
from app.core.db import Database, Session
from app.core.runtime import Runtime
from app.stores import passwords, staff
from app.stores.errors import LoginFailed, PasswordWrong
from app.stores.records import StaffRow, lock_login
from app.stores.schemas import (
    AdminSessionCreate,
    AdminSessionView,
    HeadquartersCreate,
    PasswordUpdate,
    StaffCreate,
    StaffUpdate,
    StaffView,
)


async def log_in(runtime: Runtime, body: AdminSessionCreate) -> AdminSessionView:
    """A staff login. Raises LoginFailed, the same and as slowly for an unknown login as for a wrong password."""
    async with runtime.db.transaction() as session:
        credentials = await staff.credentials_of(session, body.login)
    known_hash = credentials.password_hash if credentials else None
    if not await passwords.matches(known_hash, body.password.get_secret_value()) or credentials is None:
        raise LoginFailed
    async with runtime.db.transaction() as session:
        person = await lock_login(session, credentials)
        if person is None:
            raise LoginFailed
        return await _opened(session, runtime, person)


async def _opened(session: Session, runtime: Runtime, person: StaffRow) -> AdminSessionView:
    pair = await auth.open_family(
        session,
        runtime.settings,
        kind=Kind.STAFF,
        subject_id=person.id,
        role=person.role,
        scope_path=person.scope_path,
    )
    return AdminSessionView(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in,
        staff=staff.staff_view(person),
    )


async def change_password(runtime: Runtime, actor: Actor, body: PasswordUpdate) -> AdminSessionView:
    """One's own password; all logins end but the new one that this answers. Raises PasswordWrong."""
    async with runtime.db.transaction() as session:
        credentials = await staff.own_credentials(session, actor)
    known_hash = credentials.password_hash if credentials else None
    if not await passwords.matches(known_hash, body.password.get_secret_value()) or credentials is None:
        raise PasswordWrong
    new_hash = await passwords.hash_password(body.new_password.get_secret_value())
    async with runtime.db.transaction() as session:
        person = await staff.set_own_password(session, credentials, new_hash)
        if person is None:
            raise PasswordWrong
        return await _opened(session, runtime, person)


async def create_headquarters(database: Database, body: HeadquartersCreate) -> UUID:
    """A headquarters login, and the headquarters unit when that is missing; the staff id. Raises LoginTaken.

    For the command line: whoever runs it has the database anyway.
    """
    password_hash = await passwords.hash_password(body.password.get_secret_value())
    async with database.transaction() as session:
        return await staff.add_headquarters(session, body, password_hash=password_hash)


async def add_staff(runtime: Runtime, actor: Actor, body: StaffCreate) -> StaffView:
    """Hash the password, then write the person down. Raises as `staff.add_staff`."""
    password_hash = await passwords.hash_password(body.password.get_secret_value())
    async with runtime.db.transaction() as session:
        return await staff.add_staff(session, actor, body, password_hash=password_hash)


async def update_staff(runtime: Runtime, actor: Actor, staff_id: UUID, body: StaffUpdate) -> StaffView:
    """Hash a new password if there is one, then change the person. Raises as `staff.update_staff`."""
    given = body.password
    password_hash = await passwords.hash_password(given.get_secret_value()) if given else None
    async with runtime.db.transaction() as session:
        return await staff.update_staff(session, actor, staff_id, body, password_hash=password_hash)
