"""Bodies and views of after-sales."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.core.ids import OrderId, OrderLineId, RefundId
from app.core.schemas import At, Body, Plain, View


class RefundStatus(StrEnum):
    AGREED = "agreed"
    PAID = "paid"
    STUCK = "stuck"


class RefundLineRequest(Body):
    """Give `quantity` (its share of what was paid, at most what is left of it) or `amount_fen`. Only a quantity can be
    restocked, also after its money was refunded by amount."""

    line: OrderLineId
    quantity: Annotated[int, Field(ge=1, le=999)] | None = None
    amount_fen: Annotated[int, Field(ge=1, le=100_000_000_000)] | None = None
    restock: bool = False


class RefundCreate(Body):
    lines: Annotated[list[RefundLineRequest], Field(max_length=50)]
    freight_fen: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    reason: Annotated[str, Field(min_length=1, max_length=80, examples=["破损"]), Plain]


class RefundLineView(View):
    line: OrderLineId
    quantity: int
    restocked_quantity: int
    amount_fen: int


class RefundView(View):
    """agreed → paid when WeChat has sent the money (at once when it comes to 0 and only restocks); stuck when it could or
    would not and somebody has to act at WeChat."""

    id: RefundId
    order: OrderId
    status: RefundStatus
    amount_fen: int
    freight_fen: int
    lines: list[RefundLineView]
    reason: str
    agreed_at: At
    paid_at: At | None
