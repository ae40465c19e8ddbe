"""Stores: the organisation, staff, split rules, performance and its day totals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261126_stores"
down_revision = "20261126_mall"
branch_labels = None
depends_on = None

TRIGGERS = (
    """
    CREATE FUNCTION stores_check_split_rule() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (SELECT coalesce(sum((part ->> 'bps')::int), 0) FROM jsonb_array_elements(NEW.parts) AS part) <> 10000 THEN
            RAISE EXCEPTION 'the parts of a split rule sum to 10000' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER stores_split_rule_whole BEFORE INSERT ON stores_split_rule
    FOR EACH ROW EXECUTE FUNCTION stores_check_split_rule()
    """,
    """
    CREATE TRIGGER stores_split_rule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stores_split_rule
    FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """,
    """
    CREATE TRIGGER stores_performance_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stores_performance
    FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """,
)


def upgrade() -> None:
    _units()
    _stores()
    _staff()
    _split_rules()
    _performance()
    _day_totals()
    for statement in TRIGGERS:
        op.execute(statement)


def _units() -> None:
    op.create_table(
        "stores_unit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(kind = 'hq') = (parent_id IS NULL)", name=op.f("stores_unit_root_check")),
        sa.CheckConstraint("kind IN ('hq', 'region')", name=op.f("stores_unit_kind_check")),
        sa.ForeignKeyConstraint(["parent_id"], ["stores_unit.id"], name=op.f("stores_unit_parent_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("stores_unit_pkey")),
        sa.UniqueConstraint("code", name=op.f("stores_unit_code_key")),
        sa.UniqueConstraint("path", name=op.f("stores_unit_path_key")),
    )
    op.create_index(
        "stores_unit_headquarters_key", "stores_unit", ["kind"], unique=True, postgresql_where=sa.text("kind = 'hq'")
    )
    op.create_index(op.f("stores_unit_parent_id_idx"), "stores_unit", ["parent_id"], unique=False)


def _stores() -> None:
    op.create_table(
        "stores_store",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('open', 'closed')", name=op.f("stores_store_status_check")),
        sa.CheckConstraint(
            "latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180",
            name=op.f("stores_store_where_on_earth_check"),
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["stores_unit.id"], name=op.f("stores_store_unit_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("stores_store_pkey")),
        sa.UniqueConstraint("code", name=op.f("stores_store_code_key")),
        sa.UniqueConstraint("path", name=op.f("stores_store_path_key")),
    )
    op.create_index(op.f("stores_store_city_idx"), "stores_store", ["city"], unique=False)
    op.create_index(op.f("stores_store_unit_id_idx"), "stores_store", ["unit_id"], unique=False)


def _staff() -> None:
    op.create_table(
        "stores_chosen_store",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("chosen_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers_customer.id"], name=op.f("stores_chosen_store_customer_id_fkey")
        ),
        sa.ForeignKeyConstraint(["store_id"], ["stores_store.id"], name=op.f("stores_chosen_store_store_id_fkey")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("stores_chosen_store_pkey")),
    )
    op.create_table(
        "stores_staff",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("unit_id", sa.Uuid(), nullable=True),
        sa.Column("store_id", sa.Uuid(), nullable=True),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "(role IN ('guide', 'manager')) = (store_id IS NOT NULL)", name=op.f("stores_staff_posted_to_store_check")
        ),
        sa.CheckConstraint(
            "(role IN ('region', 'hq')) = (unit_id IS NOT NULL)", name=op.f("stores_staff_posted_to_unit_check")
        ),
        sa.CheckConstraint("role IN ('guide', 'manager', 'region', 'hq')", name=op.f("stores_staff_role_check")),
        sa.CheckConstraint("status IN ('active', 'left')", name=op.f("stores_staff_status_check")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers_customer.id"], name=op.f("stores_staff_customer_id_fkey")),
        sa.ForeignKeyConstraint(["store_id"], ["stores_store.id"], name=op.f("stores_staff_store_id_fkey")),
        sa.ForeignKeyConstraint(["unit_id"], ["stores_unit.id"], name=op.f("stores_staff_unit_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("stores_staff_pkey")),
        sa.UniqueConstraint("login", name=op.f("stores_staff_login_key")),
    )
    op.create_index(
        "stores_staff_customer_key",
        "stores_staff",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "stores_staff_scope_idx",
        "stores_staff",
        ["scope_path", "id"],
        unique=False,
        postgresql_ops={"scope_path": "text_pattern_ops"},
    )
    op.create_index(op.f("stores_staff_store_id_idx"), "stores_staff", ["store_id"], unique=False)


def _split_rules() -> None:
    op.create_table(
        "stores_split_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["stores_staff.id"], name=op.f("stores_split_rule_created_by_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("stores_split_rule_pkey")),
    )
    op.create_index(op.f("stores_split_rule_valid_from_idx"), "stores_split_rule", ["valid_from"], unique=False)


def _performance() -> None:
    op.create_table(
        "stores_performance",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("guide_id", sa.Uuid(), nullable=True),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("business_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rule_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(role = 'guide') = (guide_id IS NOT NULL)", name=op.f("stores_performance_guide_of_guide_check")
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'sale' THEN amount_fen > 0 ELSE amount_fen < 0 END",
            name=op.f("stores_performance_sign_check"),
        ),
        sa.CheckConstraint("kind IN ('sale', 'refund')", name=op.f("stores_performance_kind_check")),
        sa.CheckConstraint("role IN ('store', 'guide')", name=op.f("stores_performance_role_check")),
        sa.ForeignKeyConstraint(["rule_id"], ["stores_split_rule.id"], name=op.f("stores_performance_rule_id_fkey")),
        sa.PrimaryKeyConstraint("number", name=op.f("stores_performance_pkey")),
        sa.UniqueConstraint("line_id", "source_id", "role", name=op.f("stores_performance_line_id_source_id_role_key")),
    )
    op.create_index(op.f("stores_performance_order_id_idx"), "stores_performance", ["order_id"], unique=False)


def _day_totals() -> None:
    op.create_table(
        "stores_party_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("party_id", sa.Uuid(), nullable=False),
        sa.Column("sales_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunds_fen", sa.BigInteger(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.CheckConstraint("role IN ('store', 'guide')", name=op.f("stores_party_day_role_check")),
        sa.CheckConstraint("sales_fen >= 0 AND refunds_fen >= 0", name=op.f("stores_party_day_not_negative_check")),
        sa.PrimaryKeyConstraint("day", "role", "scope_path", "party_id", name=op.f("stores_party_day_pkey")),
    )
    op.create_index(
        "stores_party_day_scope_idx",
        "stores_party_day",
        ["scope_path", "day"],
        unique=False,
        postgresql_ops={"scope_path": "text_pattern_ops"},
    )
    op.create_table(
        "stores_path_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("sales_fen", sa.BigInteger(), nullable=False),
        sa.Column("refunds_fen", sa.BigInteger(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.CheckConstraint("sales_fen >= 0 AND refunds_fen >= 0", name=op.f("stores_path_day_not_negative_check")),
        sa.PrimaryKeyConstraint("day", "scope_path", name=op.f("stores_path_day_pkey")),
    )
    op.create_index(
        "stores_path_day_scope_idx",
        "stores_path_day",
        ["scope_path", "day"],
        unique=False,
        postgresql_ops={"scope_path": "text_pattern_ops"},
    )
