"""What WeChat may refuse.

* AppError
  + Unauthenticated 401
    - NotificationRefused   a notification that cannot be trusted; nothing was read from it
  + Conflict 409
    - ChargeAlreadyPaid     the number is paid: ask WeChat for it and settle
    - ChargeClosedAtWechat  the number is closed for ever: open a new charge
    - TradeNumberReused     the number was used with other parameters: open a new charge
    - RefundRefused         WeChat will not make this refund as requested
      · RefundFundsShort    not now: the merchant's balance is too low; the same number may be sent again
  + Unprocessable 422
    - CodeRefused           a login or phone code that is spent, expired, of the other kind, or unknown
  + Unavailable 503
    - UpstreamFailed 502    (core) no clear answer; the same request may be sent again
    - WechatRefused 502     a clear no that only a changed request or configuration can turn

`details` carry the call's name and WeChat's code; WeChat's message is left out since it may quote personal data.
"""

from enum import StrEnum
from typing import ClassVar

from app.core.errors import Conflict, Unauthenticated, Unavailable, Unprocessable


class Untrusted(StrEnum):
    """Why a notification is not believed."""

    HEADER_MISSING = "header_missing"
    SIGNATURE_TYPE = "signature_type"
    SERIAL = "serial"
    STALE = "stale"
    SIGNATURE = "signature"
    PROBE = "probe"
    UNREADABLE = "unreadable"
    MALFORMED = "malformed"


class NotificationRefused(Unauthenticated):
    """A notification is not from WeChat, is too old, or cannot be read; `details.reason` says which."""

    en = "The notification cannot be trusted ({reason})."
    zh = "通知未通过校验（{reason}）。"
    sends: ClassVar[dict[str, str]] = {}  # WeChat does not log in with a bearer token
    reason: Untrusted


class ChargeAlreadyPaid(Conflict):
    """WeChat has the money for this number."""

    en = "WeChat says that this is already paid."
    zh = "微信显示该笔款项已支付。"
    call: str
    http_status: int
    wechat_code: str


class ChargeClosedAtWechat(Conflict):
    """The number is closed at WeChat and cannot be paid any more."""

    en = "WeChat has closed this charge; pay with a new one."
    zh = "微信已关闭该笔支付，请重新发起支付。"
    call: str
    http_status: int
    wechat_code: str


class TradeNumberReused(Conflict):
    """WeChat knows the number with other parameters."""

    en = "This payment number was already used with other parameters; pay with a new one."
    zh = "该支付单号已被使用且参数不一致，请重新发起支付。"
    call: str
    http_status: int
    wechat_code: str


class RefundRefused(Conflict):
    """WeChat will not make the refund; `details.wechat_code` says why."""

    en = "WeChat refuses the refund ({wechat_code})."
    zh = "微信拒绝了退款（{wechat_code}）。"
    call: str
    http_status: int
    wechat_code: str


class RefundFundsShort(RefundRefused):
    """The merchant's balance does not cover the refund; top it up, then send the same number again."""

    en = "The merchant's balance at WeChat does not cover the refund."
    zh = "微信商户账户余额不足，暂时无法退款。"


class CodeRefused(Unprocessable):
    """The code is spent, expired, of the other kind, or was never given; the client must ask WeChat for another."""

    en = "WeChat does not accept the code; get a fresh one and try again."
    zh = "微信授权码无效或已使用，请重新获取。"
    call: str
    wechat_code: str


class WechatRefused(Unavailable):
    """WeChat clearly refuses the request; sending it again changes nothing until it is corrected."""

    status_code = 502
    en = "WeChat refuses the request ({wechat_code})."
    zh = "微信拒绝了该请求（{wechat_code}）。"
    call: str
    wechat_code: str
    http_status: int | None = None
