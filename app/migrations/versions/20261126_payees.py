"""Payees: holds and what was taken back of them."""

import sqlalchemy as sa
from alembic import op

revision = "20261126_payees"
down_revision = "20261126_live"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payees_hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("payee_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("clawed_back_fen", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("status", sa.Text(), server_default="held", nullable=False),
        sa.Column("releases_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("payees_hold_amount_check")),
        sa.CheckConstraint("clawed_back_fen BETWEEN 0 AND amount_fen", name=op.f("payees_hold_clawed_back_check")),
        sa.CheckConstraint("status IN ('held', 'released', 'reversed')", name=op.f("payees_hold_status_check")),
        sa.CheckConstraint(
            "(status = 'reversed') = (clawed_back_fen = amount_fen)", name=op.f("payees_hold_reversed_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("payees_hold_pkey")),
        sa.UniqueConstraint("source", "source_id", "payee_id", name=op.f("payees_hold_source_source_id_payee_id_key")),
    )
    op.create_index("payees_hold_payee_idx", "payees_hold", ["payee_id", "source", "source_id"], unique=False)
    op.create_index(
        "payees_hold_status_idx", "payees_hold", ["payee_id", "source", "status", "source_id"], unique=False
    )
    op.create_index(
        "payees_hold_due_idx", "payees_hold", ["releases_at"], unique=False, postgresql_where=sa.text("status = 'held'")
    )
    op.create_table(
        "payees_clawback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=False),
        sa.Column("reason_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("amount_fen > 0", name=op.f("payees_clawback_amount_check")),
        sa.ForeignKeyConstraint(["hold_id"], ["payees_hold.id"], name=op.f("payees_clawback_hold_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("payees_clawback_pkey")),
        sa.UniqueConstraint("hold_id", "reason_id", name=op.f("payees_clawback_hold_id_reason_id_key")),
    )
