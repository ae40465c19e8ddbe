"""Events of after-sales. Each is complete: readers never call back to learn an amount or a party."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.attribution import LineCredit
from app.core.events import Event


class RefundedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line's part of a refund. `refunded_before_fen` is what earlier refunds of this line came to, so that
    clawback is cumulative: f(goods_paid − before) − f(goods_paid − before − amount)."""

    line_id: UUID
    product_id: UUID
    sku_id: UUID
    quantity: int
    restocked: bool
    amount_fen: int
    goods_paid_fen: int
    refunded_before_fen: int
    credit: LineCredit


class RefundAgreed(Event, frozen=True, kw_only=True, tag="mall.refund_agreed"):
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


class RefundPaid(Event, frozen=True, kw_only=True, tag="mall.refund_paid"):
    """WeChat paid a refund out."""

    refund_id: UUID
    order_id: UUID
    amount_fen: int

    @property
    def stream(self) -> UUID:
        return self.order_id
