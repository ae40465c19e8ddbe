"""Value types and views of payments."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from app.core.http import View
from app.core.http.schemas import At
from app.core.ids import ChargeId, DiscrepancyId
from app.wechat import ClientParameters


class SubjectKind(StrEnum):
    """What a charge pays for: the room that owns the subject settles it."""

    ORDER = "order"
    TIP = "tip"


class ChargeStatus(StrEnum):
    """open → settled, open → closed, and closed → settled when money lands late."""

    OPEN = "open"
    CLOSED = "closed"
    SETTLED = "settled"


class RefundStage(StrEnum):
    """requested → processing → succeeded; abnormal, closed and refused (WeChat does not take it as asked) are stuck:
    they stay owed until a person acts."""

    REQUESTED = "requested"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    ABNORMAL = "abnormal"
    CLOSED = "closed"
    REFUSED = "refused"


class Outcome(StrEnum):
    """What settling did."""

    SETTLED = "settled"
    ALREADY_SETTLED = "already_settled"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One attempt to be paid. Its TypeID is WeChat's `out_trade_no`."""

    id: UUID
    subject_kind: SubjectKind
    subject_id: UUID
    book: str
    mchid: str
    appid: str
    payer_openid: str
    amount_fen: int
    refunded_fen: int
    status: ChargeStatus
    prepay_id: str | None
    prepaid_at: datetime | None
    transaction_id: str | None
    expires_at: datetime


class PaymentView(View):
    """What the mini-program needs to pay: hand `wechat_pay` to `wx.requestPayment` as it is."""

    charge: ChargeId
    kind: Literal["jsapi"] = "jsapi"
    wechat_pay: ClientParameters = Field(description="The exact arguments of wx.requestPayment.")
    expires_at: At
    server_now: At


class DiscrepancyView(View):
    """What WeChat said and nothing of ours explains. `transaction_id` is WeChat's own number of the payment or refund."""

    id: DiscrepancyId
    kind: str = Field(
        description="What does not fit: `amount`, `payer` and `repeated` landed with us, their cash is in suspense; "
        "`refunded_elsewhere` went back without us; `refund_amount` is a refund of another amount than was asked for; "
        "`merchant`, `app`, `number`, `currency`, `transaction` and `unknown` name no charge of ours or not as it is."
    )
    transaction_id: str
    charge: ChargeId | None
    facts: dict[str, Any] = Field(description="What WeChat said.")
    made_at: At
