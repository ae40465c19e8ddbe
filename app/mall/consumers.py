"""What the mall does when payments says that a refund went out or could not."""

from collections.abc import Sequence

from app.core.db import AsyncSession
from app.core.events import Recorded, Transactional
from app.mall.orders import refunds
from app.payments import RefundStuck, RefundSucceeded


async def follow_refunds(session: AsyncSession, batch: Sequence[Recorded[RefundSucceeded | RefundStuck]]) -> None:
    """Move the agreed refunds of orders; refunds of other subjects and of late money have no row here."""
    for recorded in batch:
        fact = recorded.fact
        if isinstance(fact, RefundSucceeded):
            await refunds.mark_paid_out(session, fact.refund_id)
        else:
            await refunds.mark_stuck(session, fact.refund_id)


CONSUMERS = [Transactional("mall.refunds", (RefundSucceeded, RefundStuck), follow_refunds)]
