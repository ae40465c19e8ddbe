"""Tables of orders."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, moment, text


class Order(Table, table=True):
    """What one customer buys at one place. Its scope path, prices and attribution are frozen when it is placed.
    `sent_back_fen` came late or twice and was refunded by itself; it is no part of `paid_fen` or `refunded_fen`."""

    __tablename__ = "mall_order"
    __table_args__ = (
        CheckConstraint("status IN ('unpaid', 'paid', 'closed')", name="status"),
        CheckConstraint("refund_status IN ('none', 'part', 'all')", name="refund_status"),
        CheckConstraint(
            "refund_status = CASE refunded_fen WHEN 0 THEN 'none' WHEN paid_fen THEN 'all' ELSE 'part' END",
            name="refund_status_is_refunded",
        ),
        CheckConstraint("goods_fen >= 0 AND freight_fen >= 0 AND discount_fen >= 0", name="components_not_negative"),
        CheckConstraint("payable_fen = goods_fen - discount_fen + freight_fen", name="payable_adds_up"),
        CheckConstraint("paid_fen = CASE WHEN status = 'paid' THEN payable_fen ELSE 0 END", name="paid_in_full"),
        CheckConstraint("refunded_fen BETWEEN 0 AND paid_fen", name="refunded_within_paid"),
        CheckConstraint("freight_refunded_fen BETWEEN 0 AND freight_fen", name="freight_refunded_within_freight"),
        CheckConstraint("(status = 'paid') = (charge_id IS NOT NULL)", name="paid_has_charge"),
        Index("mall_order_customer_idx", "customer_id", "id"),
        Index("mall_order_scope_idx", "scope_path", "id", postgresql_ops={"scope_path": "text_pattern_ops"}),
        Index("mall_order_unpaid_idx", "expires_at", postgresql_where=sql("status = 'unpaid'")),
        Index("mall_order_status_idx", "status", "id", postgresql_where=sql("status <> 'paid'")),
    )

    id: UUID = Field(primary_key=True)
    number: str = text(unique=True)
    customer_id: UUID
    place_id: UUID = Field(foreign_key="mall_place.id")
    book: str = text()
    scope_path: str = text()
    status: str = text()
    refund_status: str = text(default="none")
    fulfilment: dict[str, object] = Field(sa_type=JSONB)
    goods_fen: int = fen()
    freight_fen: int = fen()
    discount_fen: int = fen()
    payable_fen: int = fen()
    paid_fen: int = fen(0)
    refunded_fen: int = fen(0)
    freight_refunded_fen: int = fen(0)
    sent_back_fen: int = fen(0)
    remark: str | None = text(default=None)
    charge_id: UUID | None = None
    transaction_id: str | None = text(default=None)
    mchid: str | None = text(default=None)
    placed_at: datetime = created_at()
    expires_at: datetime = moment()
    paid_at: datetime | None = moment(default=None)
    closed_at: datetime | None = moment(default=None)
    close_reason: str | None = text(default=None)


class OrderLine(Table, table=True):
    """One SKU of an order. Commission and performance are counted on `goods_paid_fen`."""

    __tablename__ = "mall_order_line"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity_positive"),
        CheckConstraint("goods_paid_fen BETWEEN 0 AND list_fen * quantity", name="goods_paid_within_list"),
        CheckConstraint("refunded_fen BETWEEN 0 AND goods_paid_fen", name="refunded_within_paid"),
        CheckConstraint("refunded_quantity BETWEEN 0 AND quantity", name="refunded_quantity_within"),
        CheckConstraint("restocked_quantity BETWEEN 0 AND refunded_quantity", name="restocked_within_refunded"),
    )

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(foreign_key="mall_order.id", index=True)
    sku_id: UUID
    product_id: UUID
    title: str = text()
    sku_title: str = text()
    picture: str | None = text(default=None)
    quantity: int
    list_fen: int = fen()
    discounts: list[dict[str, object]] = Field(sa_type=JSONB)
    goods_paid_fen: int = fen()
    refunded_fen: int = fen(0)
    refunded_quantity: int = Field(0, sa_column_kwargs={"server_default": "0"})
    restocked_quantity: int = Field(0, sa_column_kwargs={"server_default": "0"})
