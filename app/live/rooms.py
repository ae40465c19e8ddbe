"""Rooms: opened by staff of a store, started, ended; found by everyone."""

from datetime import datetime
from uuid import UUID

import asyncpg

from app import attribution, stores
from app.core import db
from app.core.auth import Actor, Role
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.events import publish
from app.core.http import Page
from app.core.http.pages import Paging
from app.core.ids import new_id, wire
from app.live.errors import LiveRoomEnded
from app.live.events import RoomEnded, RoomStarted
from app.live.schemas import (
    HostView,
    PartyView,
    RoomCard,
    RoomCreate,
    RoomKind,
    RoomMute,
    RoomStatus,
    RoomTouchpoint,
    StaffRoomView,
)

_ROOM = """id, store_id, host_id, title, kind, status, scope_path, touchpoint_id, touchpoint_path, starts_at, started_at,
           ended_at, pinned_product_id, version"""
_OF_ONE_STORE = (Role.GUIDE, Role.MANAGER)


async def open_room(session: AsyncSession, actor: Actor, asked: RoomCreate) -> StaffRoomView:
    """A new room of a store within the actor's reach, hosted by him. Raises NotFound.

    A guide or manager is credited for those who come by the room's link; others open it for the store alone.
    """
    store = await stores.reachable_store(session, actor, asked.store)
    room_id = new_id()
    touchpoint = await attribution.open_room(
        session, room_id=room_id, store_id=store.id, guide_id=actor.id if actor.role in _OF_ONE_STORE else None
    )
    await db.execute(
        session,
        """INSERT INTO live_room (id, store_id, host_id, title, kind, status, scope_path, touchpoint_id,
                                  touchpoint_path, starts_at, version)
           VALUES ($1, $2, $3, $4, $5, 'scheduled', $6, $7, $8, $9, 1)""",
        room_id,
        store.id,
        actor.id,
        asked.title,
        asked.kind.value,
        store.scope_path,
        touchpoint.id,
        touchpoint.path,
        asked.starts_at,
    )
    if asked.start:
        return await start_room(session, actor, room_id)
    return await staff_view(session, await within_reach(session, actor, room_id))


async def start_room(session: AsyncSession, actor: Actor, room_id: UUID) -> StaffRoomView:
    """Go live. A room that is live already stays as it is. Raises NotFound, LiveRoomEnded."""
    row = await db.fetchrow(
        session,
        f"""UPDATE live_room SET status = 'live', started_at = clock_timestamp(), version = version + 1
            WHERE id = $1 AND status = 'scheduled' AND starts_with(scope_path, $2) RETURNING {_ROOM}""",  # noqa: S608  constants only
        room_id,
        actor.scope_path,
    )
    if row is None:
        row = await within_reach(session, actor, room_id)
        if row["status"] == RoomStatus.ENDED:
            raise LiveRoomEnded
        return await staff_view(session, row)
    await attribution.start_room(session, room_id)
    await publish(
        session,
        RoomStarted(room_id=room_id, store_id=row["store_id"], host_id=row["host_id"], started_at=row["started_at"]),
    )
    return await staff_view(session, row)


async def end_room(session: AsyncSession, actor: Actor, room_id: UUID) -> StaffRoomView:
    """End the room for good: new visits count no more. Ending again changes nothing. Raises NotFound."""
    row = await db.fetchrow(
        session,
        f"""UPDATE live_room SET status = 'ended', ended_at = clock_timestamp(), version = version + 1
            WHERE id = $1 AND status <> 'ended' AND starts_with(scope_path, $2) RETURNING {_ROOM}""",  # noqa: S608  constants only
        room_id,
        actor.scope_path,
    )
    if row is None:
        return await staff_view(session, await within_reach(session, actor, room_id))
    await attribution.close_room(session, room_id)
    await publish(
        session, RoomEnded(room_id=room_id, store_id=row["store_id"], host_id=row["host_id"], ended_at=row["ended_at"])
    )
    return await staff_view(session, row)


async def find(session: AsyncSession, room_id: UUID) -> asyncpg.Record:
    """Any room's row: customers may see them all. Raises NotFound."""
    row = await db.fetchrow(session, f"SELECT {_ROOM} FROM live_room WHERE id = $1", room_id)  # noqa: S608  constants only
    if row is None:
        raise NotFound
    return row


async def within_reach(session: AsyncSession, actor: Actor, room_id: UUID, *, lock: bool = False) -> asyncpg.Record:
    """A room of the actor's scope; locked when the caller is going to change it. Raises NotFound."""
    row = await db.fetchrow(
        session,
        f"SELECT {_ROOM} FROM live_room WHERE id = $1 AND starts_with(scope_path, $2)"  # noqa: S608  constants only
        + (" FOR UPDATE" if lock else ""),
        room_id,
        actor.scope_path,
    )
    if row is None:
        raise NotFound
    return row


async def list_rooms(
    session: AsyncSession,
    *,
    store_id: UUID | None,
    status: RoomStatus | None,
    paging: Paging,
    within: Actor | None = None,
) -> Page[RoomCard]:
    """Rooms, newest first: all of them, or those within a staff member's reach."""
    asked: list[tuple[str, object]] = []
    if store_id is not None:
        asked.append(("store_id =", store_id))
    if status is not None:
        asked.append(("status =", status.value))
    if within is not None:
        asked.append(_reach(within))
    # Only what is asked for: a condition that may be void would hide the others' indexes.
    conditions = "".join(f" AND {condition} ${place}" for place, (condition, _) in enumerate(asked, start=3))
    rows = await db.fetch(
        session,
        f"""SELECT {_ROOM} FROM live_room WHERE ($1::uuid IS NULL OR id < $1){conditions}
            ORDER BY id DESC LIMIT $2""",  # noqa: S608  constants only
        paging.after_id("rom"),
        paging.limit + 1,
        *(value for _, value in asked),
    )
    cards = await _cards(session, rows)
    return paging.page("rom", cards, [row["id"] for row in rows])


def _reach(actor: Actor) -> tuple[str, str]:
    """The condition on a room's path, and its value: whoever works in a store has nothing below it."""
    if actor.role in _OF_ONE_STORE:
        return "scope_path =", actor.scope_path
    return "scope_path LIKE", f"{actor.scope_path}%"


async def _cards(session: AsyncSession, rows: list[asyncpg.Record]) -> list[RoomCard]:
    refs = await stores.store_refs(session, [row["store_id"] for row in rows])
    names = await stores.staff_names(session, [row["host_id"] for row in rows])
    return [
        RoomCard(
            id=row["id"],
            title=row["title"],
            status=RoomStatus(row["status"]),
            kind=RoomKind(row["kind"]),
            store=PartyView(id=row["store_id"], name=refs[row["store_id"]].name if row["store_id"] in refs else ""),
            host=HostView(id=row["host_id"], name=names.get(row["host_id"], "")),
            starts_at=row["starts_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
        )
        for row in rows
    ]


async def card(session: AsyncSession, row: asyncpg.Record) -> RoomCard:
    """One room's row with the names of its store and host."""
    return (await _cards(session, [row]))[0]


async def staff_view(session: AsyncSession, row: asyncpg.Record) -> StaffRoomView:
    """A room's row as its staff sees it."""
    shown = await card(session, row)
    shelf = await db.fetch(
        session, "SELECT product_id FROM live_shelf WHERE room_id = $1 ORDER BY position, product_id", row["id"]
    )
    touchpoint = RoomTouchpoint(
        id=row["touchpoint_id"], path=row["touchpoint_path"], scene=wire("tpt", row["touchpoint_id"])
    )
    return StaffRoomView(
        **dict(shown),
        pinned=row["pinned_product_id"],
        shelf=[item["product_id"] for item in shelf],
        touchpoint=touchpoint,
        version=row["version"],
    )


async def record_visit(session: AsyncSession, *, customer_id: UUID, room_id: UUID) -> datetime | None:
    """A customer comes in: a touch for credit, a unique viewer for the report; until when he is muted, if he is.

    Raises NotFound, LiveRoomEnded.
    """
    room = await find(session, room_id)
    if room["status"] == RoomStatus.ENDED:
        raise LiveRoomEnded
    await attribution.enter_room(session, customer_id=customer_id, room_id=room_id)
    await db.execute(
        session,
        "INSERT INTO live_visit (room_id, customer_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        room_id,
        customer_id,
    )
    return await muted_until(session, customer_id=customer_id, room_id=room_id)


async def muted_until(session: AsyncSession, *, customer_id: UUID, room_id: UUID) -> datetime | None:
    """Until when a customer may not speak; None when he may."""
    until: datetime | None = await db.fetchval(
        session,
        'SELECT "until" FROM live_mute WHERE room_id = $1 AND customer_id = $2 AND "until" > clock_timestamp()',
        room_id,
        customer_id,
    )
    return until


async def mutes(session: AsyncSession, room_id: UUID) -> list[RoomMute]:
    """Who may not speak now."""
    rows = await db.fetch(
        session,
        """SELECT customer_id, "until" FROM live_mute WHERE room_id = $1 AND "until" > clock_timestamp()
           ORDER BY "until" DESC LIMIT 5000""",
        room_id,
    )
    return [RoomMute(customer=row["customer_id"], until=row["until"]) for row in rows]
