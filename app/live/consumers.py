"""What live rooms do when facts arrive: allot tips, write takings down, and tell the rooms."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from app import ledger
from app.core.db import AsyncSession
from app.core.events import Consumer, Recorded, Relay, Transactional
from app.core.runtime import Runtime
from app.live import announcements, stream, takings, tips
from app.live.events import MemberMuted, ProductPinned, ProductUnpinned, RoomEnded, RoomStarted, TipPaid
from app.mall import OrderPaid, RefundAgreed


async def allot_tips(session: AsyncSession, batch: Sequence[Recorded[TipPaid]]) -> None:
    """What of each tip is owed to whom; the transfer's key makes it happen once."""
    await ledger.post(session, *(tips.allotment(recorded.fact) for recorded in batch))


async def write_takings(session: AsyncSession, batch: Sequence[Recorded[OrderPaid | RefundAgreed | TipPaid]]) -> None:
    """Per room and order, refund or tip: what it brought."""
    await takings.write(session, [row for recorded in batch for row in takings_of(recorded.fact)])


def takings_of(fact: OrderPaid | RefundAgreed | TipPaid) -> list[takings.Taking]:
    """What one fact brings to which rooms: goods paid of the lines credited to each."""
    if isinstance(fact, TipPaid):
        return [(fact.room_id, "tip", fact.tip_id, fact.amount_fen)]
    by_room: defaultdict[UUID, int] = defaultdict(int)
    if isinstance(fact, OrderPaid):
        for line in fact.lines:
            if line.credit.room_id is not None:
                by_room[line.credit.room_id] += line.goods_paid_fen
        return [(room_id, "order", fact.order_id, amount_fen) for room_id, amount_fen in by_room.items()]
    for refunded in fact.lines:
        if refunded.credit.room_id is not None:
            by_room[refunded.credit.room_id] -= refunded.amount_fen
    return [(room_id, "refund", fact.refund_id, amount_fen) for room_id, amount_fen in by_room.items()]


async def announce(runtime: Runtime, batch: Sequence[Recorded[announcements.Announced]]) -> None:
    """Tell rooms what happened. The log's number makes a repeated batch harmless; all events of a fact go at once.

    A room remembers the highest number that it was told, so what comes late is remembered by a number of its own.
    """
    async with runtime.db.transaction() as session:
        words = await announcements.words_for(session, [recorded.fact for recorded in batch])
    for recorded in batch:
        source = f"announcements:{recorded.seq}" if recorded.replayed else "announcements"
        for room_id, events in announcements.events_of(recorded.fact, words).items():
            await stream.publish(runtime.redis, room_id, *events, log_seq=recorded.seq, source=source)


CONSUMERS: list[Consumer] = [
    Transactional(name="live.tips", facts=(TipPaid,), apply=allot_tips),
    Transactional(name="live.takings", facts=(OrderPaid, RefundAgreed, TipPaid), apply=write_takings),
    Relay(
        name="live.announcements",
        facts=(OrderPaid, TipPaid, RoomStarted, RoomEnded, ProductPinned, ProductUnpinned, MemberMuted),
        send=announce,
    ),
]
