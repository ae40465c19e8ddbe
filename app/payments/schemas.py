"""Value types and views of payments."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from app.core.ids import ChargeId, DiscrepancyId, RefundId
from app.core.schemas import At, View
from app.wechat import ClientParameters


class ChargeStatus(StrEnum):
    """open → settled, open → closed, and closed → settled when money lands late."""

    OPEN = "open"
    CLOSED = "closed"
    SETTLED = "settled"


class RefundStage(StrEnum):
    """requested → processing → succeeded; abnormal, closed and refused (WeChat does not accept it) are stuck:
    they stay owed until a person acts."""

    REQUESTED = "requested"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    ABNORMAL = "abnormal"
    CLOSED = "closed"
    REFUSED = "refused"


class RefundKind(StrEnum):
    """Why money goes back: agreed by staff; or by itself, since its subject was closed (late) or paid already (second)."""

    AGREED = "agreed"
    LATE = "late"
    SECOND = "second"


class Outcome(StrEnum):
    """What settling did."""

    SETTLED = "settled"
    ALREADY_SETTLED = "already_settled"
    MISMATCH = "mismatch"


class PaymentView(View):
    """What the mini-program needs to pay: hand `wechat_pay` to `wx.requestPayment` as it is."""

    charge: ChargeId
    kind: Literal["jsapi"]
    wechat_pay: ClientParameters = Field(description="The exact arguments of wx.requestPayment.")
    expires_at: At
    server_now: At


class RefundByItself(View):
    """Money that bought nothing, on its way back or back: it was never part of what was paid."""

    id: RefundId
    kind: Literal[RefundKind.LATE, RefundKind.SECOND]
    charge: ChargeId
    amount_fen: int
    status: RefundStage
    created_at: At
    succeeded_at: At | None


class PaymentRefundView(View):
    """A refund as WeChat has it: agreed by staff or by itself, of whatever was paid for."""

    id: RefundId
    kind: RefundKind
    charge: ChargeId
    subject: str = Field(description="What was paid for: the id of an order or a tip.")
    amount_fen: int
    status: RefundStage
    reason: str
    created_at: At
    succeeded_at: At | None


class DiscrepancyKind(StrEnum):
    """What does not fit. `amount`, `payer` and `repeated` landed with us and their cash is in suspense;
    `refunded_elsewhere` went back without us; `refund_…` is word of a refund that is not as it was requested; the rest name
    no charge of ours, or not as it is."""

    AMOUNT = "amount"
    PAYER = "payer"
    REPEATED = "repeated"
    REFUNDED_ELSEWHERE = "refunded_elsewhere"
    REFUND_AMOUNT = "refund_amount"
    REFUND_MERCHANT = "refund_merchant"
    REFUND_NUMBER = "refund_number"
    REFUND_CURRENCY = "refund_currency"
    MERCHANT = "merchant"
    APP = "app"
    NUMBER = "number"
    CURRENCY = "currency"
    TRANSACTION = "transaction"
    UNKNOWN = "unknown"


class DiscrepancyView(View):
    """What WeChat said and nothing of ours explains. `transaction_id` is WeChat's own number of the payment or refund."""

    id: DiscrepancyId
    kind: DiscrepancyKind
    transaction_id: str
    charge: ChargeId | None
    reported: dict[str, Any] = Field(description="What WeChat said.")
    created_at: At
