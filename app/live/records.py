"""Rows of live rooms, and the one lock of a room with its reader's scope."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

import msgspec

from app.core.auth import Actor, Role
from app.core.db import Listing, Session, Statement, within
from app.core.errors import NotFound
from app.live.schemas import RoomKind, RoomStatus


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `live_room`."""

    id: UUID
    store_id: UUID
    host_id: UUID
    title: str
    kind: RoomKind
    status: RoomStatus
    touchpoint_id: UUID
    touchpoint_path: str
    starts_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    pinned_product_id: UUID | None
    version: int


ROOM_COLUMNS = ", ".join(Room.__struct_fields__)

_NOW = Statement("SELECT clock_timestamp()", datetime)
_FIND = Statement(f"SELECT {ROOM_COLUMNS} FROM live_room WHERE id = :room_id", Room)
_IN_SCOPE = Statement(
    f"SELECT {ROOM_COLUMNS} FROM live_room WHERE id = :room_id AND {within('scope_path')}",
    Room,
)
_LOCK = Statement(
    f"SELECT {ROOM_COLUMNS} FROM live_room WHERE id = :room_id AND {within('scope_path')} FOR UPDATE",
    Room,
)
_SHELF = Statement(
    "SELECT product_id FROM live_shelf WHERE room_id = :room_id ORDER BY position, product_id",
    UUID,
)
ROOMS = Listing(
    f"SELECT {ROOM_COLUMNS} FROM live_room WHERE {{filters}} ORDER BY id DESC LIMIT :limit",
    Room,
    filters={
        "own_path": "scope_path = :own_path",
        "scope": within("scope_path"),
        "store_id": "store_id = :store_id",
        "status": "status = :status",
        "after": "id < :after",
    },
)
"""Rooms, newest first; `reach_of` gives the values of a staff member's scope."""

_OF_ONE_STORE = (Role.GUIDE, Role.MANAGER)


def works_in_one_store(actor: Actor) -> bool:
    """Whether the actor's scope is a store, which has nothing below it."""
    return actor.role in _OF_ONE_STORE


class Reach(TypedDict, total=False):
    """Which rooms a staff member reaches: those at one path, or those within a scope."""

    own_path: str
    scope: str


def reach_of(actor: Actor) -> Reach:
    """What a staff member reaches. A single path is compared as it is: an index then answers in the list's own order."""
    return {"own_path": actor.scope_path} if works_in_one_store(actor) else {"scope": actor.scope}


async def now(session: Session) -> datetime:
    """What time it is by the database's clock."""
    return await _NOW.one(session)


async def find(session: Session, room_id: UUID) -> Room:
    """Any room: customers may see them all. Raises NotFound."""
    return _known(await _FIND.first(session, room_id=room_id))


async def find_in_scope(session: Session, actor: Actor, room_id: UUID) -> Room:
    """A room within the staff member's scope. Raises NotFound."""
    return _known(await _IN_SCOPE.first(session, room_id=room_id, scope=actor.scope))


async def lock(session: Session, actor: Actor, room_id: UUID) -> Room:
    """Lock the row of a room within the staff member's scope. Raises NotFound."""
    return _known(await _LOCK.first(session, room_id=room_id, scope=actor.scope))


def _known(room: Room | None) -> Room:
    if room is None:
        raise NotFound
    return room


async def shelf_of(session: Session, room_id: UUID) -> list[UUID]:
    """The products that the room offers, in the host's order."""
    return await _SHELF.all(session, room_id=room_id)
