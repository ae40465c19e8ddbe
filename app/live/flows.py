"""What needs Redis or WeChat in the middle: tickets, snapshots, reports, and the money of tips."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from redis.exceptions import RedisError

from app import customers, payments
from app.core import db, idempotency
from app.core.auth import Actor
from app.core.db import AsyncSession
from app.core.idempotency import Key, Reply
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.live import rooms, snapshots, stream, takings, tickets, tips
from app.live.errors import LiveUnavailable
from app.live.schemas import (
    GatewaySnapshot,
    RoomMe,
    RoomReport,
    RoomSnapshot,
    TicketView,
    TipCreate,
    TipStatus,
    TipView,
)
from app.live.stream import Counts, Position
from app.payments import Charge, Outcome, PaymentView, Record, SubjectKind
from app.wechat import Notification, Transaction

log = structlog.get_logger(__name__)

NOTIFY_PATH = "/v1/live/tips/notify"


async def snapshot_for(runtime: Runtime, cache: snapshots.SnapshotCache, actor: Actor, room_id: UUID) -> RoomSnapshot:
    """The room as the caller sees it. Raises NotFound."""
    shared = await cache.of(room_id)
    async with runtime.db.transaction() as session:
        until = await rooms.muted_until(session, customer_id=actor.id, room_id=room_id)
    return shared.model_copy(update={"me": RoomMe(muted_until=until)})


async def snapshot_for_gateway(
    runtime: Runtime, cache: snapshots.SnapshotCache, room_id: UUID, at_least: Position | None
) -> GatewaySnapshot:
    """The room as a gateway needs it, not older than `at_least`. Raises NotFound."""
    shared = await cache.of(room_id, at_least)
    async with runtime.db.transaction() as session:
        # The moment before the rows: whoever holds a later word on a mute holds the newer one.
        read_at = await db.fetchval(session, "SELECT clock_timestamp()")
        return GatewaySnapshot(**dict(shared), mutes=await rooms.mutes(session, room_id), mutes_at=read_at)


async def enter(runtime: Runtime, actor: Actor, room_id: UUID) -> TicketView:
    """Record the visit, then give a ticket for one socket. Raises NotFound, LiveRoomEnded, LiveUnavailable."""
    async with runtime.db.transaction() as session:
        until = await rooms.record_visit(session, customer_id=actor.id, room_id=room_id)
        names = await customers.masked_names(session, [actor.id])
        now: datetime = await db.fetchval(session, "SELECT clock_timestamp()")
    admitted = tickets.Pass(
        room_id=room_id,
        customer_id=actor.id,
        name=names.get(actor.id, ""),
        muted_until=until.timestamp() if until else 0,
        made_at=now.timestamp(),
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
    """What the room brought so far. Raises NotFound. Without Redis the counts are those kept a minute ago."""
    async with runtime.db.transaction() as session:
        await rooms.within_reach(session, actor, room_id)
    counts = await _counts(runtime, room_id)
    async with runtime.db.transaction() as session:
        if counts is not None:
            await takings.keep_counts(session, room_id, counts)
        return await takings.report(session, room_id, viewers=counts.viewers if counts else 0)


async def keep_counts(runtime: Runtime) -> None:
    """Write down what Redis counted for rooms that are live or ended within the hour: it may vanish at any second."""
    async with runtime.db.transaction() as session:
        room_ids = await takings.counted_rooms(session, limit=1_000)
    for room_id in room_ids:
        counts = await _counts(runtime, room_id)
        if counts is not None:
            async with runtime.db.transaction() as session:
                await takings.keep_counts(session, room_id, counts)


async def _counts(runtime: Runtime, room_id: UUID) -> Counts | None:
    try:
        return await stream.counts(runtime.redis, room_id)
    except (RedisError, OSError) as error:
        log.warning("counts_unreachable", error=repr(error))
        return None


async def tip(runtime: Runtime, actor: Actor, key: Key, *, room_id: UUID, asked: TipCreate) -> Reply:
    """Place a tip and prepare its payment, once per key.

    Raises NotFound, RoomNotLive, TipTooLarge, IdempotencyKeyReused, StillRunning, UpstreamFailed.
    """

    async def begin(session: AsyncSession, tip_id: UUID) -> None:
        await tips.place(session, runtime.settings, tip_id=tip_id, customer_id=actor.id, room_id=room_id, asked=asked)

    async def finish(tip_id: UUID) -> tuple[Reply, Record | None]:
        async with runtime.db.transaction() as session:
            row = await tips.find(session, tip_id, customer_id=actor.id, room_id=room_id)
            charge = await payments.find_charge(session, row["charge_id"])
        assert charge is not None
        payment: PaymentView | None
        record: Record | None
        if row["status"] != TipStatus.UNPAID:
            return Reply(201, _view(row, None).model_dump_json().encode()), None
        try:
            payment, record = await payments.prepay(runtime, charge, description="打赏主播", notify_path=NOTIFY_PATH)
        except payments.ChargeNotOpen:
            payment, record = None, None
        return Reply(201, _view(row, payment).model_dump_json().encode()), record

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)


def _view(row: asyncpg.Record, payment: PaymentView | None) -> TipView:
    return TipView(
        id=row["id"],
        room=row["room_id"],
        status=TipStatus(row["status"]),
        amount_fen=row["amount_fen"],
        message=row["message"],
        payment=payment,
        expires_at=row["expires_at"],
        server_now=row["now"],
    )


async def confirm(runtime: Runtime, actor: Actor, *, room_id: UUID, tip_id: UUID) -> TipView:
    """ "I paid": ask WeChat and settle; the tip as it then stands. Raises NotFound, UpstreamFailed."""
    async with runtime.db.transaction() as session:
        row = await tips.find(session, tip_id, customer_id=actor.id, room_id=room_id)
        charge = await payments.find_charge(session, row["charge_id"])
    assert charge is not None
    if row["status"] in (TipStatus.UNPAID, TipStatus.CLOSED):
        transaction = await payments.ask(runtime, charge)
        if transaction is not None:
            await _settle(runtime, charge, transaction)
    async with runtime.db.transaction() as session:
        return _view(await tips.find(session, tip_id, customer_id=actor.id, room_id=room_id), None)


async def _settle(runtime: Runtime, charge: Charge, transaction: Transaction) -> Outcome:
    async with runtime.db.transaction() as session:
        return await tips.settle(session, runtime.settings, charge, transaction)


async def take_notification(runtime: Runtime, notification: Notification) -> None:
    """A verified payment notification, answered only after the commit.

    Raises PaymentMismatch after recording what fits no tip; other events and unpaid states change nothing.
    """
    transaction = notification.transaction
    if transaction is None or transaction.state not in payments.PAID_STATES:
        return
    async with runtime.db.transaction() as session:
        charge = await payments.charge_of(session, transaction)
        if charge is None or charge.subject_kind is not SubjectKind.TIP:
            await payments.record_discrepancy(session, transaction, kind="number", charge=charge)
            outcome = Outcome.MISMATCH
        else:
            outcome = await tips.settle(session, runtime.settings, charge, transaction)
    if outcome is Outcome.MISMATCH:
        raise payments.PaymentMismatch(merchant_trade_no=transaction.out_trade_no)


async def close_tip(runtime: Runtime, charge_id: UUID) -> None:
    """Close an unpaid tip by its charge, at WeChat first; one that WeChat says is paid is settled instead, unless that
    payment does not fit."""
    async with runtime.db.transaction() as session:
        charge = await payments.find_charge(session, charge_id)
    assert charge is not None, "a tip is placed with its charge"
    paid = await payments.close_at_wechat(runtime, charge)
    if paid is not None and await _settle(runtime, charge, paid) is not Outcome.MISMATCH:
        return
    async with runtime.db.transaction() as session:
        await tips.close(session, charge)
