"""What needs Redis between transactions: tickets, snapshots, reports."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from app import customers
from app.core.auth import Actor
from app.core.runtime import Runtime
from app.live import presence, records, rooms, snapshots, takings, tickets
from app.live.errors import LiveUnavailable
from app.live.presence import Counts
from app.live.schemas import GatewaySnapshot, RoomMe, RoomReport, RoomSnapshot, TicketView
from app.live.stream import Position

log = structlog.get_logger(__name__)

_ROOMS_AT_ONCE = 200


async def snapshot_for(
    runtime: Runtime, cache: snapshots.SnapshotCache, customer_id: UUID | None, room_id: UUID
) -> RoomSnapshot:
    """The room as the caller sees it, None before a login. Raises NotFound."""
    shared = await cache.of(room_id)
    if customer_id is None:
        return shared
    async with runtime.db.transaction() as session:
        until = await rooms.muted_until(session, customer_id=customer_id, room_id=room_id)
    return shared.model_copy(update={"me": RoomMe(muted_until=until)})


async def snapshot_for_gateway(
    runtime: Runtime, cache: snapshots.SnapshotCache, room_id: UUID, at_least: Position | None
) -> GatewaySnapshot:
    """The room as a gateway needs it, not older than `at_least`. Raises NotFound."""
    shared = await cache.of(room_id, at_least)
    async with runtime.db.transaction() as session:
        # The time first, the rows second: what a gateway hears of a mute after `mutes_at` is newer than these rows.
        read_at = await records.now(session)
        return GatewaySnapshot(**dict(shared), mutes=await rooms.mutes(session, room_id), mutes_at=read_at)


async def enter(runtime: Runtime, customer_id: UUID, room_id: UUID) -> TicketView:
    """Record the visit, then issue a ticket for one socket. Raises NotFound, LiveRoomEnded, LiveUnavailable."""
    async with runtime.db.transaction() as session:
        until = await rooms.record_visit(session, customer_id=customer_id, room_id=room_id)
        names = await customers.masked_names(session, [customer_id])
        now = await records.now(session)
    admitted = tickets.Pass(
        room_id=room_id,
        customer_id=customer_id,
        name=names.get(customer_id, ""),
        muted_until=until.timestamp() if until else 0,
        created_at=now.timestamp(),
    )
    try:
        ticket = await tickets.issue(runtime.redis, admitted)
    except (RedisError, OSError) as error:
        raise LiveUnavailable from error
    return TicketView(
        ticket=ticket,
        url=f"{runtime.settings.live_url}/v1/live/socket?ticket={ticket}",
        expires_at=now + timedelta(seconds=tickets.TICKET_TTL_S),
        server_now=now,
    )


async def report(runtime: Runtime, actor: Actor, room_id: UUID) -> RoomReport:
    """What the room brought so far. Raises NotFound. Without Redis the counts are those of a minute ago."""
    async with runtime.db.transaction() as session:
        await records.find_in_scope(session, actor, room_id)
    counts = await _counts(runtime, [room_id])
    async with runtime.db.transaction() as session:
        await takings.keep_counts(session, counts)
        viewers = counts[room_id].viewers if room_id in counts else 0
        return await takings.report(session, actor, room_id, viewers=viewers)


async def keep_counts(runtime: Runtime) -> None:
    """Copy what Redis counted for rooms that are open or ended within the hour: it may vanish at any second."""
    async with runtime.db.transaction() as session:
        room_ids = await takings.counted_rooms(session, limit=1_000)
    for at in range(0, len(room_ids), _ROOMS_AT_ONCE):
        counts = await _counts(runtime, room_ids[at : at + _ROOMS_AT_ONCE])
        async with runtime.db.transaction() as session:
            await takings.keep_counts(session, counts)


async def _counts(runtime: Runtime, room_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """What Redis counted for the rooms; nothing while it does not answer."""
    try:
        return await presence.counts_of(runtime.redis, room_ids)
    except (RedisError, OSError) as error:
        log.warning("counts_unreachable", error=repr(error))
        return {}
