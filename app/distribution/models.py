"""Tables of distribution. Terms and sales of links are append-only by trigger; a third payee of a line is impossible."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, moment, text
from app.core.versions import valid_from


class Application(Table, table=True):
    """A customer's application to become a distributor; one open at a time."""

    __tablename__ = "distribution_application"
    __table_args__ = (
        CheckConstraint("status IN ('applied', 'approved', 'refused')", name="status"),
        CheckConstraint("(status = 'applied') = (decided_at IS NULL)", name="decided"),
        Index(
            "distribution_application_open_key",
            "customer_id",
            unique=True,
            postgresql_where=sql("status = 'applied'"),
        ),
        Index("distribution_application_status_idx", "status", "id"),
    )

    id: UUID = Field(primary_key=True)
    customer_id: UUID = Field(foreign_key="customers_customer.id", index=True)
    inviter_id: UUID | None = Field(None, foreign_key="distribution_distributor.id")
    name: str | None = text(default=None)
    status: str = text()
    reason: str | None = text(default=None)
    decided_by: UUID | None = None
    created_at: datetime = created_at()
    decided_at: datetime | None = moment(default=None)


class Distributor(Table, table=True):
    """A customer who sells. The upline is the distributor who brought them; it never changes."""

    __tablename__ = "distribution_distributor"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'suspended')", name="status"),
        CheckConstraint("upline_id <> id", name="upline_is_another"),
    )

    id: UUID = Field(primary_key=True)
    customer_id: UUID = Field(foreign_key="customers_customer.id", unique=True)
    upline_id: UUID | None = Field(None, foreign_key="distribution_distributor.id", index=True)
    status: str = text()
    joined_at: datetime = created_at()


class TermsRow(Table, table=True):
    """A version of the terms; the newest before an order counts for it. No version's rates exceed its cap."""

    __tablename__ = "distribution_terms"
    __table_args__ = (
        CheckConstraint("level1_bps BETWEEN 0 AND 5000", name="level1"),
        CheckConstraint("level2_bps BETWEEN 0 AND 5000", name="level2"),
        CheckConstraint("total_cap_bps <= 5000", name="cap"),
        CheckConstraint("level1_bps + level2_bps <= total_cap_bps", name="total"),
        CheckConstraint("hold_s >= 0", name="hold"),
    )

    id: UUID = Field(primary_key=True)
    level1_bps: int
    level2_bps: int = 0
    total_cap_bps: int
    hold_s: int
    valid_from: datetime = valid_from()
    created_by: UUID


class Commission(Table, table=True):
    """What one line earns one distributor. `clawed_back_fen` of `amount_fen` is taken back, with `refunded_fen` of the
    base. Its money, and whether that waits or is released, is a hold of payees."""

    __tablename__ = "distribution_commission"
    __table_args__ = (
        UniqueConstraint("line_id", "level"),
        CheckConstraint("level IN (1, 2)", name="level"),
        CheckConstraint("base_fen >= 0 AND rate_bps BETWEEN 0 AND 5000", name="terms"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("clawed_back_fen BETWEEN 0 AND amount_fen", name="clawed"),
        CheckConstraint("refunded_fen BETWEEN 0 AND base_fen", name="refunded"),
        Index("distribution_commission_distributor_idx", "distributor_id", "paid_at"),
    )

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(index=True)
    line_id: UUID
    distributor_id: UUID = Field(foreign_key="distribution_distributor.id")
    level: int = Field(sa_type=SmallInteger)
    book: str = text()
    base_fen: int = fen()
    rate_bps: int
    amount_fen: int = fen()
    clawed_back_fen: int = fen(default=0)
    refunded_fen: int = fen(default=0)
    terms_id: UUID | None = Field(None, foreign_key="distribution_terms.id")
    paid_at: datetime = moment()
    created_at: datetime = created_at()


class LinkSale(Table, table=True):
    """A paid line that a distributor won by one of their links, whatever it earned."""

    __tablename__ = "distribution_link_sale"
    __table_args__ = (CheckConstraint("goods_paid_fen >= 0", name="goods_paid"),)

    line_id: UUID = Field(primary_key=True)
    order_id: UUID
    touchpoint_id: UUID = Field(index=True)
    goods_paid_fen: int = fen()


class LinkTotal(Table, table=True):
    """What a link sold so far: the sum of its sales, kept with them, so that showing a link costs one row."""

    __tablename__ = "distribution_link_total"
    __table_args__ = (CheckConstraint("orders > 0 AND paid_fen >= 0", name="not_negative"),)

    touchpoint_id: UUID = Field(primary_key=True)
    orders: int
    paid_fen: int = fen()
