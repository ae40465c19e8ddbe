"""What distribution learns from the mall."""

from app.core.events import Consumer, Transactional
from app.distribution import commissions
from app.mall import OrderPaid, RefundAgreed

CONSUMERS: list[Consumer] = [
    Transactional(name="distribution.commissions", facts=(OrderPaid, RefundAgreed), apply=commissions.record)
]
