"""Value types of the client: what WeChat said, in our words. Money is whole fen, times are UTC."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict


class TradeState(StrEnum):
    """WeChat Pay's `trade_state` of a charge. REFUND is shown as soon as any part of it is refunded."""

    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    NOTPAY = "NOTPAY"
    CLOSED = "CLOSED"
    REVOKED = "REVOKED"
    USERPAYING = "USERPAYING"
    PAYERROR = "PAYERROR"
    ACCEPT = "ACCEPT"


class RefundState(StrEnum):
    """WeChat Pay's state of a refund. ABNORMAL is not final: a person can still send the money another way."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """A charge as WeChat sees it. The caller compares amount, currency, merchant and app before believing it.

    `amount_fen` and `currency` are what was charged; WeChat may leave them out while nothing is paid.
    """

    out_trade_no: str
    transaction_id: str | None
    state: TradeState
    amount_fen: int | None
    currency: str | None
    mchid: str
    appid: str
    payer_openid: str | None
    paid_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundStatus:
    """A refund as WeChat sees it; `succeeded_at` is set once the money went back.

    Replies name the currency and no merchant, notifications the merchant and no currency.
    """

    out_refund_no: str
    refund_id: str
    out_trade_no: str
    state: RefundState
    refund_fen: int
    currency: str | None
    mchid: str | None
    succeeded_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """A verified and decrypted notification. Both parts are None for an event type that this module does not read.

    `id` is WeChat's own and equal in every repetition of the same notification.
    """

    id: str
    event_type: str
    transaction: Transaction | None
    refund: RefundStatus | None
    mchid: str


class ClientParameters(BaseModel):
    """Exactly the argument of `wx.requestPayment`; the field names are WeChat's."""

    model_config = ConfigDict(frozen=True)

    timeStamp: str  # noqa: N815  the name on the wire
    nonceStr: str  # noqa: N815  the name on the wire
    package: str
    signType: Literal["RSA"]  # noqa: N815  the name on the wire
    paySign: str  # noqa: N815  the name on the wire


@dataclass(frozen=True, kw_only=True, slots=True)
class MiniProgramSession:
    """Who a login code belongs to. `unionid` is known only when the app is bound to an open-platform account."""

    openid: str
    unionid: str | None
