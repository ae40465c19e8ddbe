"""The one client to Tencent.

`WechatPay` opens, asks for, closes and refunds charges and reads notifications; `MiniProgram` turns login codes into
people, phone codes into phone numbers, and scenes into code images. Both are opened once per process, before they are
used and without touching the network, and closed with `close_client`:

    pay = WechatPay.open(settings)
    prepay_id = await pay.prepay(out_trade_no="chg_…", amount_fen=12_800, …)
    parameters = pay.client_parameters(prepay_id, appid)      # for wx.requestPayment

Three rules for callers:

* No call while a database transaction is open: every network method raises NetworkInsideTransaction.
* After UpstreamFailed nothing is known. Ask (`query`, `query_refund`) or send the same number again; never a new one.
* A notification or a query tells what WeChat says. Amount, currency, merchant and app are compared by the caller.

Nothing here logs a body, a phone number, a session key or a secret.

`open(settings, send=…)` replaces the sockets by a function. For development and tests, `app.simulator` is a local server that speaks the same protocols; production modules
never import it.
"""

from app.wechat import signatures
from app.wechat.errors import (
    ChargeAlreadyPaid,
    ChargeClosedAtWechat,
    CodeRefused,
    NotificationRefused,
    RefundFundsShort,
    RefundRefused,
    TradeNumberReused,
    WechatRefused,
)
from app.wechat.keys import require_keys
from app.wechat.miniprogram import MiniProgram
from app.wechat.pay import WechatPay
from app.wechat.schemas import (
    ClientParameters,
    MiniProgramSession,
    Notification,
    RefundState,
    RefundStatus,
    TradeState,
    Transaction,
)
from app.wechat.transport import Reply, Send

__all__ = [
    "ChargeAlreadyPaid",
    "ChargeClosedAtWechat",
    "ClientParameters",
    "CodeRefused",
    "MiniProgram",
    "MiniProgramSession",
    "Notification",
    "NotificationRefused",
    "RefundFundsShort",
    "RefundRefused",
    "RefundState",
    "RefundStatus",
    "Reply",
    "Send",
    "TradeNumberReused",
    "TradeState",
    "Transaction",
    "WechatPay",
    "WechatRefused",
    "require_keys",
    "signatures",
]
