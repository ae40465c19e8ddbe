"""Events of orders. Each is complete: readers never call back to learn an amount or a party."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.attribution import LineCredit
from app.core.events import Event
from app.mall.orders.schemas import CloseReason


class PaidLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a paid order. `goods_paid_fen` is what commission and performance are counted on: no freight."""

    line_id: UUID
    product_id: UUID
    sku_id: UUID
    title: str
    quantity: int
    goods_paid_fen: int
    credit: LineCredit


class OrderPaid(Event, frozen=True, kw_only=True, tag="mall.order_paid"):
    """An order was paid, its stock committed and the cash posted."""

    order_id: UUID
    customer_id: UUID
    book: str
    place_id: UUID
    scope_path: str
    placed_at: datetime
    paid_at: datetime
    goods_fen: int
    freight_fen: int
    paid_fen: int
    lines: tuple[PaidLine, ...]

    @property
    def stream(self) -> UUID:
        return self.order_id


class OrderClosed(Event, frozen=True, kw_only=True, tag="mall.order_closed"):
    """An unpaid order was closed and its stock released. A late payment may still re-open it."""

    order_id: UUID
    customer_id: UUID
    reason: CloseReason

    @property
    def stream(self) -> UUID:
        return self.order_id
