"""What live rooms do when events arrive: allot tips, record takings, and announce to the rooms."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from app.core.db import Session
from app.core.events import Consumer, Recorded, Relay, Transactional
from app.core.runtime import Runtime
from app.live import announcements, stream, takings, tips
from app.live.events import MemberMuted, ProductPinned, ProductUnpinned, RoomEnded, RoomStarted, TipPaid, TipRefunded
from app.live.takings import Taking, TakingKind
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid

# Most orders are placed outside of rooms.
_NAMES_A_ROOM = "$.room_id != null || $.lines[*].credit.room_id != null"


Brought: TypeAlias = OrderPaid | RefundAgreed | TipPaid | TipRefunded


async def allot_tips(session: Session, batch: Sequence[Recorded[TipPaid | TipRefunded]]) -> None:
    """Allot each tip to those it is owed to, and take back what was refunded: a tip is paid before it is refunded, so all
    payments of a batch may go first. A repeat is refused by the transfer's key."""
    events = [recorded.event for recorded in batch]
    await tips.allot(session, [event for event in events if isinstance(event, TipPaid)])
    await tips.take_back(session, [event for event in events if isinstance(event, TipRefunded)])


async def write_takings(session: Session, batch: Sequence[Recorded[Brought]]) -> None:
    """Record what each order, tip and refund of either brought to which room."""
    await takings.write(session, [taking for recorded in batch for taking in takings_of(recorded.event)])


def takings_of(event: Brought) -> list[Taking]:
    """What one event brings to which rooms: goods paid of the lines credited to each."""
    if isinstance(event, TipPaid):
        return [Taking(event.room_id, TakingKind.TIP, event.tip_id, event.amount_fen)]
    if isinstance(event, TipRefunded):
        return [Taking(event.room_id, TakingKind.TIP_REFUND, event.refund_id, -event.amount_fen)]
    by_room: defaultdict[UUID, int] = defaultdict(int)
    if isinstance(event, OrderPaid):
        for line in event.lines:
            if line.credit.room_id is not None:
                by_room[line.credit.room_id] += line.goods_paid_fen
        return [Taking(room_id, TakingKind.ORDER, event.order_id, fen) for room_id, fen in by_room.items()]
    for refunded in event.lines:
        if refunded.credit.room_id is not None:
            by_room[refunded.credit.room_id] -= refunded.amount_fen
    return [Taking(room_id, TakingKind.REFUND, event.refund_id, fen) for room_id, fen in by_room.items()]


async def announce(runtime: Runtime, batch: Sequence[Recorded[announcements.Announced]]) -> None:
    """Tell rooms what happened. All frames of an event go in one call, and a room remembers the highest number of the log
    that it was sent, which makes a repeated batch harmless. An event that comes late has a memory of its own.
    """
    async with runtime.db.transaction() as session:
        words = await announcements.words_for(session, [recorded.event for recorded in batch])
    for recorded in batch:
        source = f"announcements:{recorded.seq}" if recorded.replayed else "announcements"
        for room_id, events in announcements.events_of(recorded.event, words).items():
            await stream.publish(runtime.redis, room_id, *events, log_seq=recorded.seq, source=source)


CONSUMERS: list[Consumer] = [
    Transactional(name=tips.CONSUMER, events=(TipPaid, TipRefunded), apply=allot_tips),
    Transactional(
        name=takings.CONSUMER,
        events=(OrderPaid, RefundAgreed, TipPaid, TipRefunded),
        concerning=_NAMES_A_ROOM,
        apply=write_takings,
    ),
    Relay(
        name="live.announcements",
        events=(OrderPaid, TipPaid, RoomStarted, RoomEnded, ProductPinned, ProductUnpinned, MemberMuted),
        concerning=_NAMES_A_ROOM,
        send=announce,
    ),
]
