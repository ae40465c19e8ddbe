"""Customers: people, identities, addresses."""

import sqlalchemy as sa
from alembic import op

revision = "20261126_customers"
down_revision = "20261126_ledger"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers_customer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("nickname", sa.Text(), nullable=False),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("phone_cipher", sa.LargeBinary(), nullable=True),
        sa.Column("phone_index", sa.LargeBinary(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("customers_customer_pkey")),
    )
    op.create_index(op.f("customers_customer_phone_index_idx"), "customers_customer", ["phone_index"], unique=False)
    op.create_table(
        "customers_address",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("cipher", sa.LargeBinary(), nullable=False),
        sa.Column("province", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("district", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers_customer.id"], name=op.f("customers_address_customer_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("customers_address_pkey")),
    )
    op.create_index(op.f("customers_address_customer_id_idx"), "customers_address", ["customer_id"], unique=False)
    op.create_table(
        "customers_identity",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("appid", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(kind = 'unionid') = (appid = '')", name=op.f("customers_identity_appid_of_openid_check")),
        sa.CheckConstraint("kind IN ('openid', 'unionid')", name=op.f("customers_identity_kind_check")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customers_customer.id"],
            name=op.f("customers_identity_customer_id_fkey"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("kind", "appid", "value", name=op.f("customers_identity_pkey")),
    )
    op.create_index(op.f("customers_identity_customer_id_idx"), "customers_identity", ["customer_id"], unique=False)
