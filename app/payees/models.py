"""Tables of payees."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, moment, text


class PayeeHold(Table, table=True):
    """Money for one payee from one source: a commission, a tip. `clawed_back_fen` of it went back to whoever funded it."""

    __tablename__ = "payees_hold"
    __table_args__ = (
        UniqueConstraint("source", "source_id", "payee_id"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("clawed_back_fen BETWEEN 0 AND amount_fen", name="clawed_back"),
        CheckConstraint("status IN ('held', 'released', 'reversed')", name="status"),
        CheckConstraint("(status = 'reversed') = (clawed_back_fen = amount_fen)", name="reversed"),
        Index("payees_hold_payee_idx", "payee_id", "source", "source_id"),
        Index("payees_hold_status_idx", "payee_id", "source", "status", "source_id"),
        Index("payees_hold_due_idx", "releases_at", postgresql_where=sql("status = 'held'")),
    )

    id: UUID = Field(primary_key=True)
    source: str = text()
    source_id: UUID
    payee_id: UUID
    book: str = text()
    amount_fen: int = fen()
    clawed_back_fen: int = fen(0)
    status: str = text(default="held", sa_column_kwargs={"server_default": "held"})
    releases_at: datetime | None = moment(default=None)
    created_at: datetime = created_at()


class PayeeClawback(Table, table=True):
    """One clawback from a hold, for a reason of the source's own (a refund)."""

    __tablename__ = "payees_clawback"
    __table_args__ = (
        UniqueConstraint("hold_id", "reason_id"),
        CheckConstraint("amount_fen > 0", name="amount"),
    )

    id: UUID = Field(primary_key=True)
    hold_id: UUID = Field(foreign_key="payees_hold.id")
    reason_id: UUID
    amount_fen: int = fen()
    created_at: datetime = created_at()
