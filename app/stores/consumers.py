"""What stores learn from the mall."""

from app.core.events import Consumer, Transactional
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid
from app.stores import performance

CONSUMERS: list[Consumer] = [
    Transactional(name=performance.CONSUMER, events=(OrderPaid, RefundAgreed), apply=performance.record)
]
