"""What distribution learns from the mall."""

from collections.abc import Sequence

from app.core.db import Session
from app.core.events import Consumer, Recorded, Transactional
from app.distribution import commissions, links
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid


async def record(session: Session, batch: Sequence[Recorded[OrderPaid] | Recorded[RefundAgreed]]) -> None:
    """What each line earned, and what each link sold even where that earned nothing."""
    await commissions.record(session, batch)
    await links.record(session, [recorded.event for recorded in batch if isinstance(recorded.event, OrderPaid)])


CONSUMERS: list[Consumer] = [
    Transactional(
        name=commissions.CONSUMER,
        events=(OrderPaid, RefundAgreed),
        apply=record,
    )
]
