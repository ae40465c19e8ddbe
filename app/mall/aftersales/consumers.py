"""What after-sales does when payments says that a refund went out or could not."""

from collections.abc import Sequence

from app.core.db import Session
from app.core.events import Recorded, Transactional
from app.mall.aftersales import refunds
from app.payments import RefundStuck, RefundSucceeded


async def follow_refunds(session: Session, batch: Sequence[Recorded[RefundSucceeded | RefundStuck]]) -> None:
    """Move the agreed refunds of orders; refunds of other subjects and of late money have no row here."""
    for recorded in batch:
        event = recorded.event
        if isinstance(event, RefundSucceeded):
            await refunds.mark_paid_out(session, event.refund_id)
        else:
            await refunds.mark_stuck(session, event.refund_id)


FOLLOW_REFUNDS = Transactional("mall.refunds", (RefundSucceeded, RefundStuck), follow_refunds)
CONSUMERS = [FOLLOW_REFUNDS]
