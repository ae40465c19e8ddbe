"""Rows of payments, as statements read them."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.payments.schemas import ChargeStatus, RefundStage


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to be paid. Its TypeID is WeChat's `out_trade_no`. `prepaid_at` is when the prepay id was learnt, or
    forgotten when there is none."""

    id: UUID
    subject_kind: str
    subject_id: UUID
    book: str
    mchid: str
    appid: str
    payer_openid: str
    amount_fen: int
    refunded_fen: int = 0
    status: ChargeStatus = ChargeStatus.OPEN
    prepay_id: str | None = None
    prepaid_at: datetime | None = None
    transaction_id: str | None = None
    expires_at: datetime


CHARGE_COLUMNS = ", ".join(Charge.__struct_fields__)


class RefundToSend(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that WeChat has not finished, with the whole amount of its charge."""

    id: UUID
    charge_id: UUID
    mchid: str
    amount_fen: int
    total_fen: int
    reason: str
    status: RefundStage


class RefundRequested(msgspec.Struct, frozen=True, kw_only=True):
    """What was requested, as WeChat's word about it has to repeat."""

    charge_id: UUID
    amount_fen: int
    mchid: str


class MovedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund that has just changed its stage, with what its charge was for."""

    id: UUID
    charge_id: UUID
    amount_fen: int
    book: str
    subject_kind: str
    subject_id: UUID
