"""WeChat Pay's JSON as value types. Everything here raises ValueError for a shape that is not WeChat's."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, StrictInt

from app.wechat.schemas import RefundState, RefundStatus, TradeState, Transaction


def _time_or_none(value: object) -> datetime | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("a time is RFC 3339 text")
    return datetime.fromisoformat(value)


_Time = Annotated[AwareDatetime | None, BeforeValidator(_time_or_none)]
_Fen = Annotated[StrictInt, Field(ge=0, le=100_000_000_000)]  # 1,000,000,000 yuan: more than WeChat moves at once


class _Amount(BaseModel):
    total: _Fen | None = None
    currency: str | None = None


class _Payer(BaseModel):
    openid: str | None = None


class _Transaction(BaseModel):
    out_trade_no: str
    transaction_id: str | None = None
    trade_state: TradeState
    amount: _Amount | None = None
    mchid: str
    appid: str
    payer: _Payer | None = None
    success_time: _Time = None


class _RefundAmount(BaseModel):
    refund: _Fen
    currency: str | None = None


class _Refund(BaseModel):
    out_refund_no: str
    refund_id: str
    out_trade_no: str
    status: RefundState | None = None
    refund_status: RefundState | None = None
    amount: _RefundAmount
    mchid: str | None = None
    success_time: _Time = None


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def read_transaction(fields: object) -> Transaction:
    """The charge in a reply to a query, or in a decrypted notification."""
    wire = _Transaction.model_validate(fields)
    return Transaction(
        out_trade_no=wire.out_trade_no,
        transaction_id=wire.transaction_id or None,
        state=wire.trade_state,
        amount_fen=wire.amount.total if wire.amount else None,
        currency=(wire.amount.currency or None) if wire.amount else None,
        mchid=wire.mchid,
        appid=wire.appid,
        payer_openid=(wire.payer.openid or None) if wire.payer else None,
        paid_at=_utc(wire.success_time),
    )


def read_refund(fields: object) -> RefundStatus:
    """The refund in a reply, where its state is called `status`, or in a notification: `refund_status`."""
    wire = _Refund.model_validate(fields)
    state = wire.status or wire.refund_status
    if state is None:
        raise ValueError("a refund without a state")
    return RefundStatus(
        out_refund_no=wire.out_refund_no,
        refund_id=wire.refund_id,
        out_trade_no=wire.out_trade_no,
        state=state,
        refund_fen=wire.amount.refund,
        currency=wire.amount.currency or None,
        mchid=wire.mchid or None,
        succeeded_at=_utc(wire.success_time),
    )
