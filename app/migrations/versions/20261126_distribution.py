"""Distribution: applications, distributors, terms and commissions."""

import sqlalchemy as sa
from alembic import op

revision = "20261126_distribution"
down_revision = "20261126_stores"
branch_labels = None
depends_on = None

TRIGGERS = (
    """
    CREATE TRIGGER distribution_terms_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON distribution_terms
    FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """,
    """
    CREATE TRIGGER distribution_link_sale_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON distribution_link_sale
    FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """,
)


def upgrade() -> None:
    op.create_table(
        "distribution_terms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("level1_bps", sa.Integer(), nullable=False),
        sa.Column("level2_bps", sa.Integer(), nullable=False),
        sa.Column("total_cap_bps", sa.Integer(), nullable=False),
        sa.Column("hold_s", sa.Integer(), nullable=False),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint("hold_s >= 0", name=op.f("distribution_terms_hold_check")),
        sa.CheckConstraint("level1_bps + level2_bps <= total_cap_bps", name=op.f("distribution_terms_total_check")),
        sa.CheckConstraint("total_cap_bps <= 5000", name=op.f("distribution_terms_cap_check")),
        sa.CheckConstraint("level1_bps BETWEEN 0 AND 5000", name=op.f("distribution_terms_level1_check")),
        sa.CheckConstraint("level2_bps BETWEEN 0 AND 5000", name=op.f("distribution_terms_level2_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("distribution_terms_pkey")),
    )
    op.create_index(op.f("distribution_terms_valid_from_idx"), "distribution_terms", ["valid_from"], unique=False)
    op.create_table(
        "distribution_distributor",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("upline_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("distribution_distributor_status_check")),
        sa.CheckConstraint("upline_id <> id", name=op.f("distribution_distributor_upline_is_another_check")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers_customer.id"], name=op.f("distribution_distributor_customer_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["upline_id"], ["distribution_distributor.id"], name=op.f("distribution_distributor_upline_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("distribution_distributor_pkey")),
        sa.UniqueConstraint("customer_id", name=op.f("distribution_distributor_customer_id_key")),
    )
    op.create_index(
        op.f("distribution_distributor_upline_id_idx"), "distribution_distributor", ["upline_id"], unique=False
    )
    op.create_table(
        "distribution_application",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("inviter_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'applied') = (decided_at IS NULL)", name=op.f("distribution_application_decided_check")
        ),
        sa.CheckConstraint(
            "status IN ('applied', 'approved', 'refused')", name=op.f("distribution_application_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers_customer.id"], name=op.f("distribution_application_customer_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["inviter_id"], ["distribution_distributor.id"], name=op.f("distribution_application_inviter_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("distribution_application_pkey")),
    )
    op.create_index(
        op.f("distribution_application_customer_id_idx"), "distribution_application", ["customer_id"], unique=False
    )
    op.create_index(
        "distribution_application_open_key",
        "distribution_application",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("status = 'applied'"),
    )
    op.create_index("distribution_application_status_idx", "distribution_application", ["status", "id"], unique=False)
    op.create_table(
        "distribution_commission",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("distributor_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("base_fen", sa.BigInteger(), nullable=False),
        sa.Column("rate_bps", sa.Integer(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("clawed_back_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("terms_id", sa.Uuid(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("distribution_commission_amount_check")),
        sa.CheckConstraint(
            "base_fen >= 0 AND rate_bps BETWEEN 0 AND 5000", name=op.f("distribution_commission_terms_check")
        ),
        sa.CheckConstraint(
            "clawed_back_fen BETWEEN 0 AND amount_fen", name=op.f("distribution_commission_clawed_check")
        ),
        sa.CheckConstraint("level IN (1, 2)", name=op.f("distribution_commission_level_check")),
        sa.CheckConstraint("refunded_fen BETWEEN 0 AND base_fen", name=op.f("distribution_commission_refunded_check")),
        sa.ForeignKeyConstraint(
            ["distributor_id"],
            ["distribution_distributor.id"],
            name=op.f("distribution_commission_distributor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["terms_id"], ["distribution_terms.id"], name=op.f("distribution_commission_terms_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("distribution_commission_pkey")),
        sa.UniqueConstraint("line_id", "level", name=op.f("distribution_commission_line_id_level_key")),
    )
    op.create_index(
        "distribution_commission_distributor_idx",
        "distribution_commission",
        ["distributor_id", "paid_at"],
        unique=False,
    )
    op.create_index(op.f("distribution_commission_order_id_idx"), "distribution_commission", ["order_id"], unique=False)
    op.create_table(
        "distribution_link_sale",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("touchpoint_id", sa.Uuid(), nullable=False),
        sa.Column("goods_paid_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("goods_paid_fen >= 0", name=op.f("distribution_link_sale_goods_paid_check")),
        sa.PrimaryKeyConstraint("line_id", name=op.f("distribution_link_sale_pkey")),
    )
    op.create_table(
        "distribution_link_total",
        sa.Column("touchpoint_id", sa.Uuid(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("orders > 0 AND paid_fen >= 0", name=op.f("distribution_link_total_not_negative_check")),
        sa.PrimaryKeyConstraint("touchpoint_id", name=op.f("distribution_link_total_pkey")),
    )
    op.create_index(
        op.f("distribution_link_sale_touchpoint_id_idx"), "distribution_link_sale", ["touchpoint_id"], unique=False
    )
    for statement in TRIGGERS:
        op.execute(statement)
