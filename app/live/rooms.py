"""Rooms: opened by staff of a store, started, ended; found by everyone."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app import attribution, stores
from app.core.auth import Actor
from app.core.db import Session, Statement, within
from app.core.events import publish
from app.core.ids import RoomId, new_id, wire
from app.core.paging import Page, Paging
from app.live.errors import LiveRoomEnded
from app.live.events import RoomEnded, RoomStarted
from app.live.records import ROOM_COLUMNS, ROOMS, Room, find, find_in_scope, reach_of, shelf_of, works_in_one_store
from app.live.schemas import (
    HostView,
    RoomCard,
    RoomCreate,
    RoomMute,
    RoomStatus,
    RoomTouchpoint,
    StaffRoomView,
)
from app.mall.catalog import StoreLabel

_MUTES_AT_MOST = 5_000

_INSERT = Statement(
    f"""INSERT INTO live_room (id, store_id, host_id, title, kind, status, scope_path, touchpoint_id, touchpoint_path,
                               starts_at, version)
        VALUES (:id, :store_id, :host_id, :title, :kind, 'scheduled', :scope_path, :touchpoint_id, :touchpoint_path,
                :starts_at, 1)
        RETURNING {ROOM_COLUMNS}""",
    Room,
)
_START = Statement(
    f"""UPDATE live_room SET status = 'live', started_at = clock_timestamp(), version = version + 1
        WHERE id = :room_id AND status = 'scheduled' AND {within("scope_path")} RETURNING {ROOM_COLUMNS}""",
    Room,
)
_END = Statement(
    f"""UPDATE live_room SET status = 'ended', ended_at = clock_timestamp(), version = version + 1
        WHERE id = :room_id AND status <> 'ended' AND {within("scope_path")} RETURNING {ROOM_COLUMNS}""",
    Room,
)
_VISIT = Statement(
    "INSERT INTO live_visit (room_id, customer_id) VALUES (:room_id, :customer_id) ON CONFLICT DO NOTHING"
)
_VISITED = Statement("SELECT true FROM live_visit WHERE room_id = :room_id AND customer_id = :customer_id", bool)
_MUTED_UNTIL = Statement(
    """SELECT "until" FROM live_mute
       WHERE room_id = :room_id AND customer_id = :customer_id AND "until" > clock_timestamp()""",
    datetime,
)
_MUTES = Statement(
    """SELECT customer_id AS customer, "until" FROM live_mute
       WHERE room_id = :room_id AND "until" > clock_timestamp() ORDER BY "until" DESC LIMIT :limit""",
    RoomMute,
)


async def open_room(session: Session, actor: Actor, request: RoomCreate) -> StaffRoomView:
    """A new room of a store within the actor's scope, hosted by them. Raises NotFound.

    A guide or manager is credited for those who come by the room's link; others open it for the store alone.
    """
    store = await stores.reachable_store(session, actor, request.store)
    room_id = new_id()
    touchpoint = await attribution.open_room(
        session, room_id=room_id, store_id=store.id, guide_id=actor.id if works_in_one_store(actor) else None
    )
    room = await _INSERT.one(
        session,
        id=room_id,
        store_id=store.id,
        host_id=actor.id,
        title=request.title,
        kind=request.kind,
        scope_path=store.scope_path,
        touchpoint_id=touchpoint.id,
        touchpoint_path=touchpoint.path,
        starts_at=request.starts_at,
    )
    return await start_room(session, actor, room.id) if request.start else await staff_view(session, room)


async def start_room(session: Session, actor: Actor, room_id: UUID) -> StaffRoomView:
    """Go live. A room that is live already stays as it is. Raises NotFound, LiveRoomEnded."""
    room = await _START.first(session, room_id=room_id, scope=actor.scope)
    if room is None:
        room = await find_in_scope(session, actor, room_id)
        if room.status is RoomStatus.ENDED:
            raise LiveRoomEnded
        return await staff_view(session, room)
    assert room.started_at is not None
    await attribution.start_room(session, room_id)
    await publish(
        session,
        RoomStarted(room_id=room_id, store_id=room.store_id, host_id=room.host_id, started_at=room.started_at),
    )
    return await staff_view(session, room)


async def end_room(session: Session, actor: Actor, room_id: UUID) -> StaffRoomView:
    """End the room for good: new visits count no more. Ending again changes nothing. Raises NotFound."""
    room = await _END.first(session, room_id=room_id, scope=actor.scope)
    if room is None:
        return await staff_view(session, await find_in_scope(session, actor, room_id))
    assert room.ended_at is not None
    await attribution.close_room(session, room_id)
    await publish(
        session, RoomEnded(room_id=room_id, store_id=room.store_id, host_id=room.host_id, ended_at=room.ended_at)
    )
    return await staff_view(session, room)


async def list_rooms(
    session: Session, paging: Paging, *, store_id: UUID | None, status: RoomStatus | None
) -> Page[RoomCard]:
    """All rooms, newest first."""
    rows = await paging.rows(session, RoomId, ROOMS, store_id=store_id, status=status)
    return rows.page(await cards(session, rows.items))


async def list_rooms_in_scope(
    session: Session, paging: Paging, actor: Actor, *, store_id: UUID | None, status: RoomStatus | None
) -> Page[RoomCard]:
    """Rooms within a staff member's scope, newest first."""
    rows = await paging.rows(session, RoomId, ROOMS, store_id=store_id, status=status, **reach_of(actor))
    return rows.page(await cards(session, rows.items))


async def get_room_in_scope(session: Session, actor: Actor, room_id: UUID) -> StaffRoomView:
    """A room as its staff see it. Raises NotFound."""
    return await staff_view(session, await find_in_scope(session, actor, room_id))


async def cards(session: Session, rooms: Sequence[Room]) -> list[RoomCard]:
    """Rooms with the names of their stores and hosts."""
    refs = await stores.store_refs(session, [room.store_id for room in rooms])
    names = await stores.staff_names(session, [room.host_id for room in rooms])
    return [
        RoomCard(
            id=room.id,
            title=room.title,
            status=room.status,
            kind=room.kind,
            store=StoreLabel(id=room.store_id, name=refs[room.store_id].name if room.store_id in refs else ""),
            host=HostView(id=room.host_id, name=names.get(room.host_id, "")),
            starts_at=room.starts_at,
            started_at=room.started_at,
            ended_at=room.ended_at,
        )
        for room in rooms
    ]


async def staff_view(session: Session, room: Room) -> StaffRoomView:
    """A room as its staff see it."""
    (card,) = await cards(session, [room])
    return StaffRoomView(
        **dict(card),
        pinned=room.pinned_product_id,
        shelf=await shelf_of(session, room.id),
        touchpoint=RoomTouchpoint(
            id=room.touchpoint_id, path=room.touchpoint_path, scene=wire("tpt", room.touchpoint_id)
        ),
        version=room.version,
    )


async def record_visit(session: Session, *, customer_id: UUID, room_id: UUID) -> datetime | None:
    """Record that a customer comes in: a touch for credit, a unique viewer for the report; until when they are muted.

    Raises NotFound, LiveRoomEnded.
    """
    room = await find(session, room_id)
    if room.status is RoomStatus.ENDED:
        raise LiveRoomEnded
    await attribution.enter_room(session, customer_id=customer_id, room_id=room_id)
    await _VISIT.run(session, room_id=room_id, customer_id=customer_id)
    return await muted_until(session, customer_id=customer_id, room_id=room_id)


async def has_visited(session: Session, *, room_id: UUID, customer_id: UUID) -> bool:
    """Whether a customer has been in the room."""
    return bool(await _VISITED.first(session, room_id=room_id, customer_id=customer_id))


async def muted_until(session: Session, *, customer_id: UUID, room_id: UUID) -> datetime | None:
    """Until when a customer may not speak; None when they may."""
    return await _MUTED_UNTIL.first(session, room_id=room_id, customer_id=customer_id)


async def mutes(session: Session, room_id: UUID) -> list[RoomMute]:
    """Who may not speak now, at most 5,000 of them."""
    return await _MUTES.all(session, room_id=room_id, limit=_MUTES_AT_MOST)
