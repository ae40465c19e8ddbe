"""Payments: charges, refunds, discrepancies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261126_payments"
down_revision = "20261126_attribution"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payments_charge",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("mchid", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("payer_openid", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunded_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunds", sa.Integer(), server_default="0", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("prepay_id", sa.Text(), nullable=True),
        sa.Column("prepaid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_unseen", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "(status = 'settled') = (transaction_id IS NOT NULL)",
            name=op.f("payments_charge_settled_has_transaction_check"),
        ),
        sa.CheckConstraint(
            "refunded_fen = 0 OR status = 'settled'", name=op.f("payments_charge_refunds_need_settlement_check")
        ),
        sa.CheckConstraint("status IN ('open', 'closed', 'settled')", name=op.f("payments_charge_status_check")),
        sa.CheckConstraint("amount_fen > 0", name=op.f("payments_charge_amount_positive_check")),
        sa.CheckConstraint(
            "refunded_fen BETWEEN 0 AND amount_fen", name=op.f("payments_charge_refunded_within_amount_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("payments_charge_pkey")),
        sa.UniqueConstraint("transaction_id", name=op.f("payments_charge_transaction_id_key")),
    )
    op.create_index(
        "payments_charge_open_idx",
        "payments_charge",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index(op.f("payments_charge_subject_id_idx"), "payments_charge", ["subject_id"], unique=False)
    op.create_index(
        "payments_charge_unseen_idx",
        "payments_charge",
        ["id"],
        unique=False,
        postgresql_where=sa.text("closed_unseen"),
    )
    op.create_table(
        "payments_discrepancy",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Uuid(), nullable=True),
        sa.Column("reported", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("payments_discrepancy_pkey")),
        sa.UniqueConstraint("transaction_id", "kind", name=op.f("payments_discrepancy_transaction_id_kind_key")),
    )
    op.create_index("payments_discrepancy_kind_idx", "payments_discrepancy", ["kind", "id"], unique=False)
    op.create_table(
        "payments_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("charge_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("wechat_refund_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('requested', 'processing', 'succeeded', 'abnormal', 'closed', 'refused')",
            name=op.f("payments_refund_status_check"),
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("payments_refund_amount_positive_check")),
        sa.CheckConstraint("kind IN ('agreed', 'late', 'second')", name=op.f("payments_refund_kind_check")),
        sa.ForeignKeyConstraint(["charge_id"], ["payments_charge.id"], name=op.f("payments_refund_charge_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("payments_refund_pkey")),
    )
    op.create_index(op.f("payments_refund_charge_id_idx"), "payments_refund", ["charge_id"], unique=False)
    op.create_index(
        "payments_refund_open_idx",
        "payments_refund",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('requested', 'processing')"),
    )
    op.create_index(
        "payments_refund_stuck_idx",
        "payments_refund",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status IN ('abnormal', 'closed', 'refused')"),
    )
    op.create_index(
        "payments_refund_by_itself_idx",
        "payments_refund",
        ["id"],
        unique=False,
        postgresql_where=sa.text("kind <> 'agreed'"),
    )
