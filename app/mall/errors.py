"""Errors of the mall.

* Conflict
  + OutOfStock          fewer units are left at the place than were asked for
  + PriceChanged        the price is not what the buyer saw; `details.quote` is the new one
  + NotOnSale           a product or store that cannot be bought from now
  + OrderNotPayable     it is paid or closed
  + OrderNotClosable    it is paid or already closed
  + OrderBeingPaid      a payment was begun while it was being closed
  + NothingToRefund     the order was never paid
* Unprocessable
  + LineRepeated        one SKU stands on two lines
  + RefundNotSensible   a refund line asks for more than is left, for nothing, or to restock without a quantity
"""

from app.core.errors import Conflict, Unprocessable


class OutOfStock(Conflict):
    """Fewer units are left than were asked for; `details.sku` and `details.available` say where."""

    en = "Not enough stock."
    zh = "库存不足。"


class PriceChanged(Conflict):
    """The payable amount is not what the client expected; `details.quote` is what it is now."""

    en = "The price has changed; look at the new one and confirm."
    zh = "价格已变动，请确认新价格。"


class NotOnSale(Conflict):
    """`details.sku` or `details.store` is not sold now."""

    en = "This is not on sale here now."
    zh = "该商品或门店当前不可购买。"


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


class NothingToRefund(Conflict):
    """The order was never paid."""

    en = "This order has no payment to refund."
    zh = "该订单没有可退款的支付。"


class LineRepeated(Unprocessable):
    """Each SKU stands on one line; add the quantities."""

    en = "The same SKU is on two lines."
    zh = "同一规格重复出现。"


class RefundNotSensible(Unprocessable):
    """`details.line` asks for more than is left, for nothing, or to restock without saying how many."""

    en = "This line cannot be refunded like that."
    zh = "该行退款内容不合理。"
