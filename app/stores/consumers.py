"""What stores learn from the mall."""

from app.core.events import Consumer, Transactional
from app.mall import OrderPaid, RefundAgreed
from app.stores import performance

CONSUMERS: list[Consumer] = [
    Transactional(name="stores.performance", facts=(OrderPaid, RefundAgreed), apply=performance.record)
]
