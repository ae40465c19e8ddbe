"""The mall: catalog, prices, stock places, orders and their refunds.

Knowledge that lives upstairs comes down by calls: stores opens a place per store, and nothing here asks what a store is.
An order is placed in one transaction (price, order, frozen attribution, charge, reservation), paid in one transaction by
whichever word of payment comes first, and everything that follows from it is told by the facts `OrderPaid`,
`RefundAgreed`, `RefundPaid` and `OrderClosed`.
"""

from app.mall.catalog.places import BRAND_BOOK, open_place, update_place
from app.mall.catalog.products import product_cards
from app.mall.catalog.schemas import ProductCard
from app.mall.events import OrderClosed, OrderPaid, PaidLine, RefundAgreed, RefundedLine, RefundPaid
from app.mall.orders.reading import order_head_in_scope
from app.mall.orders.schemas import OrderHead

__all__ = [
    "BRAND_BOOK",
    "OrderClosed",
    "OrderHead",
    "OrderPaid",
    "PaidLine",
    "ProductCard",
    "RefundAgreed",
    "RefundPaid",
    "RefundedLine",
    "open_place",
    "order_head_in_scope",
    "product_cards",
    "update_place",
]
