"""Errors of after-sales.

* Conflict
  + NothingToRefund     the order was never paid
* Unprocessable
  + RefundNotSensible   a refund line asks for more than is left, for nothing, or to restock without a quantity
"""

from enum import StrEnum

from app.core.errors import Conflict, Unprocessable
from app.core.ids import OrderLineId


class NothingToRefund(Conflict):
    """The order was never paid."""

    en = "This order has no payment to refund."
    zh = "该订单没有可退款的支付。"


class RefundFault(StrEnum):
    """What a refund cannot do."""

    NOTHING = "nothing"
    TOO_MUCH = "too_much"
    LINE_REPEATED = "line_repeated"
    QUANTITY_OR_AMOUNT = "quantity_or_amount"
    RESTOCK_WITHOUT_QUANTITY = "restock_without_quantity"


class RefundNotSensible(Unprocessable):
    """`details.fault` says what is wrong with the refund of `details.line`, or of the freight when that is null;
    `details.left_quantity` and `details.left_fen` are what can still be refunded."""

    en = "This line cannot be refunded like that."
    zh = "该行退款内容不合理。"
    fault: RefundFault
    line: OrderLineId | None = None
    left_quantity: int | None = None
    left_fen: int | None = None
