"""Tables of after-sales."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Index, Uuid
from sqlalchemy import text as sql
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, moment, text


class Refund(Table, table=True):
    """An agreed refund of an order; payments sends it under the same id, unless it comes to 0. The scope path is the
    order's, the guides are those who were credited for a line of it."""

    __tablename__ = "mall_refund"
    __table_args__ = (
        CheckConstraint("status IN ('agreed', 'paid', 'stuck')", name="status"),
        CheckConstraint("freight_fen BETWEEN 0 AND amount_fen", name="amount"),
        CheckConstraint("amount_fen > 0 OR status = 'paid'", name="nothing_is_sent"),
        Index("mall_refund_scope_idx", "scope_path", "id", postgresql_ops={"scope_path": "text_pattern_ops"}),
        Index("mall_refund_guide_idx", "guide_ids", postgresql_using="gin"),
        Index("mall_refund_open_idx", "status", "id", postgresql_where=sql("status <> 'paid'")),
    )

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(foreign_key="mall_order.id", index=True)
    scope_path: str = text()
    guide_ids: list[UUID] = Field(sa_type=ARRAY(Uuid), nullable=False)
    status: str = text()
    amount_fen: int = fen()
    freight_fen: int = fen()
    reason: str = text()
    agreed_by: UUID
    agreed_at: datetime = created_at()
    paid_at: datetime | None = moment(default=None)


class RefundLine(Table, table=True):
    """One line's part of a refund."""

    __tablename__ = "mall_refund_line"
    __table_args__ = (
        CheckConstraint("amount_fen > 0 OR (amount_fen = 0 AND restocked_quantity > 0)", name="not_nothing"),
        CheckConstraint("restocked_quantity BETWEEN 0 AND quantity", name="restocked_within_quantity"),
    )

    refund_id: UUID = Field(foreign_key="mall_refund.id", primary_key=True)
    line_id: UUID = Field(foreign_key="mall_order_line.id", primary_key=True)
    quantity: int
    restocked_quantity: int
    amount_fen: int = fen()
