"""Errors of orders.

* Conflict
  + PriceChanged        the price is not what the buyer saw; `details.quote` is the new one
  + OrderNotPayable     it is paid or closed
  + OrderNotClosable    it is paid or already closed
  + OrderBeingPaid      a payment was begun while it was being closed
"""

from app.core.errors import Conflict
from app.mall.orders.schemas import QuoteView


class PriceChanged(Conflict):
    """The price is not what the client saw; `details.quote` is what it is now."""

    en = "The price has changed; look at the new one and confirm."
    zh = "价格已变动，请确认新价格。"
    quote: QuoteView


class OrderNotPayable(Conflict):
    """The order is paid or closed."""

    en = "This order can no longer be paid."
    zh = "该订单无法支付。"


class OrderNotClosable(Conflict):
    """The order is paid (ask for a refund) or closed by something else."""

    en = "This order can no longer be closed."
    zh = "该订单无法关闭。"


class OrderBeingPaid(Conflict):
    """A payment was begun while the order was being closed; the same request may be sent again."""

    en = "A payment of this order was begun meanwhile. Try again."
    zh = "该订单刚刚发起了支付，请重试。"
