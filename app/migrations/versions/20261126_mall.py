"""Mall: catalog, places, stock, orders, refunds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261126_mall"
down_revision = "20261126_payments"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mall_category",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_category_pkey")),
    )
    op.create_table(
        "mall_place",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("mall_place_status_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_place_pkey")),
    )
    op.create_table(
        "mall_order",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("refund_status", sa.Text(), nullable=False),
        sa.Column("fulfilment", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("goods_fen", sa.BigInteger(), nullable=False),
        sa.Column("freight_fen", sa.BigInteger(), nullable=False),
        sa.Column("discount_fen", sa.BigInteger(), nullable=False),
        sa.Column("payable_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("freight_refunded_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("sent_back_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column("charge_id", sa.Uuid(), nullable=True),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column("mchid", sa.Text(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(status = 'paid') = (charge_id IS NOT NULL)", name=op.f("mall_order_paid_has_charge_check")
        ),
        sa.CheckConstraint(
            "paid_fen = CASE WHEN status = 'paid' THEN payable_fen ELSE 0 END",
            name=op.f("mall_order_paid_in_full_check"),
        ),
        sa.CheckConstraint("refund_status IN ('none', 'part', 'all')", name=op.f("mall_order_refund_status_check")),
        sa.CheckConstraint(
            "refund_status = CASE refunded_fen WHEN 0 THEN 'none' WHEN paid_fen THEN 'all' ELSE 'part' END",
            name=op.f("mall_order_refund_status_is_refunded_check"),
        ),
        sa.CheckConstraint("status IN ('unpaid', 'paid', 'closed')", name=op.f("mall_order_status_check")),
        sa.CheckConstraint(
            "freight_refunded_fen BETWEEN 0 AND freight_fen",
            name=op.f("mall_order_freight_refunded_within_freight_check"),
        ),
        sa.CheckConstraint(
            "goods_fen >= 0 AND freight_fen >= 0 AND discount_fen >= 0",
            name=op.f("mall_order_components_not_negative_check"),
        ),
        sa.CheckConstraint(
            "payable_fen = goods_fen - discount_fen + freight_fen", name=op.f("mall_order_payable_adds_up_check")
        ),
        sa.CheckConstraint("refunded_fen BETWEEN 0 AND paid_fen", name=op.f("mall_order_refunded_within_paid_check")),
        sa.ForeignKeyConstraint(["place_id"], ["mall_place.id"], name=op.f("mall_order_place_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_order_pkey")),
        sa.UniqueConstraint("number", name=op.f("mall_order_number_key")),
    )
    op.create_index("mall_order_customer_idx", "mall_order", ["customer_id", "id"], unique=False)
    op.create_index(
        "mall_order_scope_idx", "mall_order", [sa.literal_column("scope_path text_pattern_ops"), "id"], unique=False
    )
    op.create_index(
        "mall_order_status_idx",
        "mall_order",
        ["status", "id"],
        unique=False,
        postgresql_where=sa.text("status <> 'paid'"),
    )
    op.create_index(
        "mall_order_unpaid_idx",
        "mall_order",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'unpaid'"),
    )
    op.create_table(
        "mall_product",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("pictures", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('on_sale', 'off_sale')", name=op.f("mall_product_status_check")),
        sa.ForeignKeyConstraint(["category_id"], ["mall_category.id"], name=op.f("mall_product_category_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_product_pkey")),
    )
    op.create_index(op.f("mall_product_category_id_idx"), "mall_product", ["category_id"], unique=False)
    op.create_table(
        "mall_order_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("sku_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("sku_title", sa.Text(), nullable=False),
        sa.Column("picture", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("list_fen", sa.BigInteger(), nullable=False),
        sa.Column("discounts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("goods_paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_quantity", sa.Integer(), server_default="0", nullable=False),
        sa.Column("restocked_quantity", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "goods_paid_fen BETWEEN 0 AND list_fen * quantity",
            name=op.f("mall_order_line_goods_paid_within_list_check"),
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("mall_order_line_quantity_positive_check")),
        sa.CheckConstraint(
            "refunded_fen BETWEEN 0 AND goods_paid_fen", name=op.f("mall_order_line_refunded_within_paid_check")
        ),
        sa.CheckConstraint(
            "refunded_quantity BETWEEN 0 AND quantity", name=op.f("mall_order_line_refunded_quantity_within_check")
        ),
        sa.CheckConstraint(
            "restocked_quantity BETWEEN 0 AND refunded_quantity",
            name=op.f("mall_order_line_restocked_within_refunded_check"),
        ),
        sa.ForeignKeyConstraint(["order_id"], ["mall_order.id"], name=op.f("mall_order_line_order_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_order_line_pkey")),
    )
    op.create_index(op.f("mall_order_line_order_id_idx"), "mall_order_line", ["order_id"], unique=False)
    op.create_table(
        "mall_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("guide_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("freight_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("agreed_by", sa.Uuid(), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('agreed', 'paid', 'stuck')", name=op.f("mall_refund_status_check")),
        sa.CheckConstraint("freight_fen BETWEEN 0 AND amount_fen", name=op.f("mall_refund_amount_check")),
        sa.CheckConstraint("amount_fen > 0 OR status = 'paid'", name=op.f("mall_refund_nothing_is_sent_check")),
        sa.ForeignKeyConstraint(["order_id"], ["mall_order.id"], name=op.f("mall_refund_order_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_refund_pkey")),
    )
    op.create_index("mall_refund_guide_idx", "mall_refund", ["guide_ids"], unique=False, postgresql_using="gin")
    op.create_index(
        "mall_refund_open_idx",
        "mall_refund",
        ["status", "id"],
        unique=False,
        postgresql_where=sa.text("status <> 'paid'"),
    )
    op.create_index(op.f("mall_refund_order_id_idx"), "mall_refund", ["order_id"], unique=False)
    op.create_index(
        "mall_refund_scope_idx",
        "mall_refund",
        ["scope_path", "id"],
        unique=False,
        postgresql_ops={"scope_path": "text_pattern_ops"},
    )
    op.create_table(
        "mall_sku",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("list_fen", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'retired')", name=op.f("mall_sku_status_check")),
        sa.CheckConstraint("list_fen > 0", name=op.f("mall_sku_list_positive_check")),
        sa.ForeignKeyConstraint(["product_id"], ["mall_product.id"], name=op.f("mall_sku_product_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("mall_sku_pkey")),
    )
    op.create_index(op.f("mall_sku_product_id_idx"), "mall_sku", ["product_id"], unique=False)
    op.create_table(
        "mall_place_price",
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("sku_id", sa.Uuid(), nullable=False),
        sa.Column("list_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("list_fen > 0", name=op.f("mall_place_price_list_positive_check")),
        sa.ForeignKeyConstraint(["place_id"], ["mall_place.id"], name=op.f("mall_place_price_place_id_fkey")),
        sa.ForeignKeyConstraint(["sku_id"], ["mall_sku.id"], name=op.f("mall_place_price_sku_id_fkey")),
        sa.PrimaryKeyConstraint("place_id", "sku_id", name=op.f("mall_place_price_pkey")),
    )
    op.create_table(
        "mall_refund_line",
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("restocked_quantity", sa.Integer(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "amount_fen > 0 OR (amount_fen = 0 AND restocked_quantity > 0)",
            name=op.f("mall_refund_line_not_nothing_check"),
        ),
        sa.CheckConstraint(
            "restocked_quantity BETWEEN 0 AND quantity", name=op.f("mall_refund_line_restocked_within_quantity_check")
        ),
        sa.ForeignKeyConstraint(["line_id"], ["mall_order_line.id"], name=op.f("mall_refund_line_line_id_fkey")),
        sa.ForeignKeyConstraint(["refund_id"], ["mall_refund.id"], name=op.f("mall_refund_line_refund_id_fkey")),
        sa.PrimaryKeyConstraint("refund_id", "line_id", name=op.f("mall_refund_line_pkey")),
    )
    op.create_table(
        "mall_stock",
        sa.Column("place_id", sa.Uuid(), nullable=False),
        sa.Column("sku_id", sa.Uuid(), nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("sold", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("received = on_hand + sold", name=op.f("mall_stock_conserved_check")),
        sa.CheckConstraint("reserved BETWEEN 0 AND on_hand", name=op.f("mall_stock_reserved_within_hand_check")),
        sa.CheckConstraint("sold >= 0", name=op.f("mall_stock_sold_not_negative_check")),
        sa.ForeignKeyConstraint(["place_id"], ["mall_place.id"], name=op.f("mall_stock_place_id_fkey")),
        sa.ForeignKeyConstraint(["sku_id"], ["mall_sku.id"], name=op.f("mall_stock_sku_id_fkey")),
        sa.PrimaryKeyConstraint("place_id", "sku_id", name=op.f("mall_stock_pkey")),
    )
