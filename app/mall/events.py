"""Facts of the mall. Each is complete: readers never call back to learn an amount or a party."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.attribution import LineCredit
from app.core.events import Fact


class PaidLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a paid order. `goods_paid_fen` is what commission and performance are counted on: no freight."""

    line_id: UUID
    product_id: UUID
    sku_id: UUID
    title: str
    quantity: int
    goods_paid_fen: int
    credit: LineCredit


class OrderPaid(Fact, frozen=True, kw_only=True, tag="mall.order_paid"):
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


class RefundedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line's part of a refund. `refunded_before_fen` is what earlier refunds of this line came to, so that
    claw-back is cumulative: f(goods_paid − before) − f(goods_paid − before − amount)."""

    line_id: UUID
    product_id: UUID
    sku_id: UUID
    quantity: int
    restocked: bool
    amount_fen: int
    goods_paid_fen: int
    refunded_before_fen: int
    credit: LineCredit


class RefundAgreed(Fact, frozen=True, kw_only=True, tag="mall.refund_agreed"):
    """A refund of a paid order was agreed: it is owed from now on, whenever WeChat pays it out. It may come to 0, when only
    goods came back whose money was refunded before."""

    refund_id: UUID
    order_id: UUID
    customer_id: UUID
    book: str
    scope_path: str
    placed_at: datetime
    agreed_at: datetime
    amount_fen: int
    freight_fen: int
    lines: tuple[RefundedLine, ...]

    @property
    def stream(self) -> UUID:
        return self.order_id


class RefundPaid(Fact, frozen=True, kw_only=True, tag="mall.refund_paid"):
    """WeChat paid a refund out."""

    refund_id: UUID
    order_id: UUID
    amount_fen: int

    @property
    def stream(self) -> UUID:
        return self.order_id


class OrderClosed(Fact, frozen=True, kw_only=True, tag="mall.order_closed"):
    """An unpaid order was closed and its stock released. A late payment may still re-open it."""

    order_id: UUID
    customer_id: UUID
    reason: str

    @property
    def stream(self) -> UUID:
        return self.order_id
