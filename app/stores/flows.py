"""What hashes passwords: transaction, argon2 in a thread, transaction."""

from uuid import UUID

from app.core import auth
from app.core.auth import Actor, Kind
from app.core.db import Database
from app.core.settings import Settings
from app.stores import passwords, staff
from app.stores.errors import LoginFailed
from app.stores.schemas import (
    AdminSessionCreate,
    AdminSessionView,
    HeadquartersCreate,
    StaffCreate,
    StaffPut,
    StaffView,
)


async def log_in(database: Database, settings: Settings, body: AdminSessionCreate) -> AdminSessionView:
    """A staff login. Raises LoginFailed, the same and as slowly for an unknown login as for a wrong password."""
    async with database.transaction() as session:
        credentials = await staff.credentials_of(session, body.login)
    known_hash = credentials.password_hash if credentials else None
    if not await passwords.matches(known_hash, body.password.get_secret_value()) or credentials is None:
        raise LoginFailed
    async with database.transaction() as session:
        person = await staff.hold_active(session, credentials)
        if person is None:
            raise LoginFailed
        pair = await auth.open_family(
            session, settings, kind=Kind.STAFF, subject_id=person.id, role=person.role, scope_path=person.scope_path
        )
    return AdminSessionView(
        access_token=pair.access_token, refresh_token=pair.refresh_token, expires_in=pair.expires_in, staff=person
    )


async def create_headquarters(database: Database, body: HeadquartersCreate) -> UUID:
    """Somebody of headquarters, and its unit when that is missing; the staff id. Raises LoginTaken.

    For the command line: whoever runs it has the database anyway.
    """
    password_hash = await passwords.hash_password(body.password.get_secret_value())
    async with database.transaction() as session:
        return await staff.add_headquarters(session, body, password_hash=password_hash)


async def add_staff(database: Database, actor: Actor, body: StaffCreate) -> StaffView:
    """Hash the password, then write the person down. Raises as `staff.add`."""
    password_hash = await passwords.hash_password(body.password.get_secret_value())
    async with database.transaction() as session:
        return await staff.add(session, actor, body, password_hash=password_hash)


async def change_staff(database: Database, actor: Actor, staff_id: UUID, body: StaffPut) -> StaffView:
    """Hash a new password if there is one, then change the person. Raises as `staff.change`."""
    given = body.password
    password_hash = await passwords.hash_password(given.get_secret_value()) if given else None
    async with database.transaction() as session:
        return await staff.change(session, actor, staff_id, body, password_hash=password_hash)
