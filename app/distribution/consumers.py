"""What distribution learns from the mall."""

from collections.abc import Sequence

from app.core.db import AsyncSession
from app.core.events import Consumer, Recorded, Transactional
from app.distribution import commissions, links
from app.mall import OrderPaid, RefundAgreed


async def record(session: AsyncSession, batch: Sequence[Recorded[OrderPaid] | Recorded[RefundAgreed]]) -> None:
    """What each line earned, and what each link sold even where that earned nothing."""
    await commissions.record(session, batch)
    await links.record(session, [recorded.fact for recorded in batch if isinstance(recorded.fact, OrderPaid)])


CONSUMERS: list[Consumer] = [
    Transactional(name="distribution.commissions", facts=(OrderPaid, RefundAgreed), apply=record)
]
