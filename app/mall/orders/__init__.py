"""Orders: placed, paid or closed, and what the modules above build on them.

An order is placed in one transaction (price, order, frozen attribution, charge, reservation) and paid in one transaction by
whichever word of payment comes first; everything that follows from it is told by the events `OrderPaid` and `OrderClosed`.
After-sales locks an order here (`lock`) and counts into it what is refunded.
"""

from app.mall.orders.events import OrderClosed, OrderPaid, PaidLine
from app.mall.orders.records import LineRow, Order, OrderRow, lock, reach_of, read
from app.mall.orders.refunding import LineRefund, count_refund
from app.mall.orders.schemas import OrderStatus

__all__ = [
    "LineRefund",
    "LineRow",
    "Order",
    "OrderClosed",
    "OrderPaid",
    "OrderRow",
    "OrderStatus",
    "PaidLine",
    "count_refund",
    "lock",
    "reach_of",
    "read",
]
