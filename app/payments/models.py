"""Tables of payments."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, moment, text


class ChargeRow(Table, table=True):
    """One attempt to be paid; charges are not orders. `refunded_fen` and `refunds` count what was requested, paid out or
    not. `closed_unseen` is true from when it was given up while WeChat did not know it until WeChat was asked again after
    its time."""

    __tablename__ = "payments_charge"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint("refunded_fen BETWEEN 0 AND amount_fen", name="refunded_within_amount"),
        CheckConstraint("status IN ('open', 'closed', 'settled')", name="status"),
        CheckConstraint("(status = 'settled') = (transaction_id IS NOT NULL)", name="settled_has_transaction"),
        CheckConstraint("refunded_fen = 0 OR status = 'settled'", name="refunds_need_settlement"),
        Index("payments_charge_open_idx", "expires_at", postgresql_where=sql("status = 'open'")),
        Index("payments_charge_unseen_idx", "id", postgresql_where=sql("closed_unseen")),
    )

    id: UUID = Field(primary_key=True)
    subject_kind: str = text()
    subject_id: UUID = Field(index=True)
    book: str = text()
    mchid: str = text()
    appid: str = text()
    payer_openid: str = text()
    amount_fen: int = fen()
    refunded_fen: int = fen(0)
    refunds: int = Field(0, sa_column_kwargs={"server_default": "0"})
    status: str = text()
    prepay_id: str | None = text(default=None)
    prepaid_at: datetime | None = moment(default=None)
    closed_unseen: bool = Field(False, sa_column_kwargs={"server_default": sql("false")})
    transaction_id: str | None = text(default=None, unique=True)
    paid_at: datetime | None = moment(default=None)
    expires_at: datetime = moment()
    created_at: datetime = created_at()


class RefundRow(Table, table=True):
    """Money to be sent back. Its TypeID is WeChat's `out_refund_no` and never changes."""

    __tablename__ = "payments_refund"
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint(
            "status IN ('requested', 'processing', 'succeeded', 'abnormal', 'closed', 'refused')", name="status"
        ),
        CheckConstraint("kind IN ('agreed', 'late', 'second')", name="kind"),
        Index("payments_refund_open_idx", "created_at", postgresql_where=sql("status IN ('requested', 'processing')")),
        Index("payments_refund_stuck_idx", "id", postgresql_where=sql("status IN ('abnormal', 'closed', 'refused')")),
        Index("payments_refund_by_itself_idx", "id", postgresql_where=sql("kind <> 'agreed'")),
    )

    id: UUID = Field(primary_key=True)
    charge_id: UUID = Field(foreign_key="payments_charge.id", index=True)
    amount_fen: int = fen()
    kind: str = text()
    reason: str = text()
    status: str = text()
    wechat_refund_id: str | None = text(default=None)
    created_at: datetime = created_at()
    succeeded_at: datetime | None = moment(default=None)


class Discrepancy(Table, table=True):
    """A payment that does not fit: an alert for finance, written once per transaction and kind."""

    __tablename__ = "payments_discrepancy"
    __table_args__ = (
        UniqueConstraint("transaction_id", "kind"),
        Index("payments_discrepancy_kind_idx", "kind", "id"),
    )

    id: UUID = Field(primary_key=True)
    transaction_id: str = text()
    kind: str = text()
    charge_id: UUID | None = None
    reported: dict[str, object] = Field(sa_type=JSONB)
    created_at: datetime = created_at()
