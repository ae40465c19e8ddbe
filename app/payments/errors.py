"""Errors of payments.

* Conflict
  + ChargeNotOpen        it was closed or settled meanwhile
  + RefundExceedsPaid    more would be refunded than was paid
  + RefundsExhausted     WeChat takes no further refund of this payment
  + RefundTooLate        the payment is too old for WeChat to refund
* BadRequest
  + EventUnexpected      a notification of another kind than its address takes
  + PaymentMismatch      WeChat's notification does not fit the charge; recorded for finance, nothing is paid by it
"""

from app.core.errors import BadRequest, Conflict


class ChargeNotOpen(Conflict):
    """The charge was settled or closed meanwhile; ask for the thing again to see its state."""

    en = "This payment is no longer open."
    zh = "该笔支付已结束。"


class RefundExceedsPaid(Conflict):
    """The refunds of a charge may not be more than was paid."""

    status_code = 402
    en = "More would be refunded than was paid."
    zh = "退款金额超过实付金额。"


class RefundsExhausted(Conflict):
    """WeChat takes at most `limit` refunds of one payment; send the rest some other way."""

    en = "WeChat takes at most {limit} refunds of one payment."
    zh = "微信支付同一笔支付最多退款 {limit} 次。"
    limit: int


class RefundTooLate(Conflict):
    """WeChat refunds no payment older than `days` days; send the money some other way."""

    en = "WeChat refunds no payment older than {days} days."
    zh = "支付已超过 {days} 天，微信支付不支持退款。"
    days: int


class PaymentMismatch(BadRequest):
    """Amount, currency, merchant, app or number of a payment are not those of any charge of ours."""

    en = "This payment does not fit any charge."
    zh = "支付信息与订单不符。"
    merchant_trade_no: str


class EventUnexpected(BadRequest):
    """A genuine notification came to an address of another kind of event; `details.event_type` is its own."""

    en = "This address does not take notifications of that kind."
    zh = "该地址不接收此类通知。"
    event_type: str
