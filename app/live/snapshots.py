"""The snapshot of a room: `{epoch, seq}` from Redis first, rows second, so that no event falls between the two."""

import asyncio
import time
from contextvars import Context
from dataclasses import dataclass
from uuid import UUID

import msgspec
import structlog
from redis.exceptions import RedisError

from app.core.db import Session
from app.core.runtime import Runtime
from app.live import frames, presence, records, rooms, shelf, stream
from app.live.presence import Counts
from app.live.schemas import ChatMessage, RoomCounters, RoomSnapshot
from app.live.stream import Position

log = structlog.get_logger(__name__)

_FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class _Live:
    position: Position | None
    counts: Counts
    messages: list[ChatMessage]


async def take(runtime: Runtime, room_id: UUID) -> RoomSnapshot:
    """Read the room now, without `me`. Raises NotFound. Without Redis the live parts are empty, the rest is there."""
    async with runtime.db.transaction() as session:
        await records.find(session, room_id)  # an unknown room must leave nothing in Redis
    live = await _read_live(runtime, room_id)
    async with runtime.db.transaction() as session:
        return await _compose(session, room_id, live)


async def _read_live(runtime: Runtime, room_id: UUID) -> _Live:
    try:
        position, messages = await stream.messages(runtime.redis, room_id)
        counts = await presence.counts(runtime.redis, room_id)
    except (RedisError, OSError) as error:
        log.warning("snapshot_without_live_parts", error=repr(error))
        return _Live(None, Counts(0, 0, 0, 0), [])
    return _Live(position, counts, [_message(seq, event) for seq, event in messages])


def _message(seq: int, event: bytes) -> ChatMessage:
    said = msgspec.json.decode(event, type=frames.ChatSaid)
    return ChatMessage(seq=seq, id=said.id, customer=said.customer, name=said.name, text=said.text, at=said.at)


async def _compose(session: Session, room_id: UUID, live: _Live) -> RoomSnapshot:
    room = await records.find(session, room_id)
    (card,) = await rooms.cards(session, [room])
    order = await records.shelf_of(session, room_id)
    items = await shelf.items(session, place_id=room.store_id, product_ids=order)
    return RoomSnapshot(
        id=room_id,
        epoch=live.position.epoch if live.position else None,
        seq=live.position.seq if live.position else None,
        title=card.title,
        status=card.status,
        kind=card.kind,
        host=card.host,
        store=card.store,
        play=None,
        pinned=None if room.pinned_product_id is None else items.get(room.pinned_product_id),
        shelf=[items[product_id] for product_id in order if product_id in items],
        counters=RoomCounters(viewers=live.counts.viewers, likes=live.counts.likes),
        messages=live.messages,
        me=None,
        starts_at=card.starts_at,
        started_at=card.started_at,
        server_now=await records.now(session),
    )


class SnapshotCache:
    """One process's snapshots: one read per room at a time, its answer good for a second."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._taken: dict[UUID, tuple[float, RoomSnapshot]] = {}
        self._flights: dict[UUID, asyncio.Task[RoomSnapshot]] = {}

    async def of(self, room_id: UUID, at_least: Position | None = None) -> RoomSnapshot:
        """The room as it was within the last second, and not before `at_least`. Raises NotFound."""
        known = self._taken.get(room_id)
        if known is not None and time.monotonic() - known[0] < _FRESH_S and _reaches(known[1], at_least):
            return known[1]
        flight = self._flights.get(room_id)
        if flight is not None:
            snapshot = await asyncio.shield(flight)
            if _reaches(snapshot, at_least):
                return snapshot
        if flight is self._flights.get(room_id):
            # In a context of its own: the task outlives the request that began it.
            flight = self._flights[room_id] = asyncio.create_task(self._take(room_id), context=Context())
            flight.add_done_callback(lambda done: self._landed(room_id, done))
        # A caller that goes away must not cancel it for the others.
        return await asyncio.shield(self._flights[room_id])

    def _landed(self, room_id: UUID, flight: asyncio.Task[RoomSnapshot]) -> None:
        if self._flights.get(room_id) is flight:
            del self._flights[room_id]

    async def _take(self, room_id: UUID) -> RoomSnapshot:
        began = time.monotonic()
        snapshot = await take(self.runtime, room_id)
        self._taken = {room: kept for room, kept in self._taken.items() if began - kept[0] < _FRESH_S}
        self._taken[room_id] = (began, snapshot)
        return snapshot


def _reaches(snapshot: RoomSnapshot, at_least: Position | None) -> bool:
    if at_least is None:
        return True
    return snapshot.seq is not None and snapshot.epoch == at_least.epoch and snapshot.seq >= at_least.seq
