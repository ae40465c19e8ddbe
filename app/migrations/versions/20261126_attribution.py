"""Attribution: promoters, touchpoints, touches, bonds, the rule of windows, and the frozen decision per line."""

import sqlalchemy as sa
from alembic import op

revision = "20261126_attribution"
down_revision = "20261126_customers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attribution_bond",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("promoter_id", sa.Uuid(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("attribution_bond_pkey")),
    )
    op.create_index(
        "attribution_bond_open_key",
        "attribution_bond",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "attribution_line",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("distributor_id", sa.Uuid(), nullable=True),
        sa.Column("upline_id", sa.Uuid(), nullable=True),
        sa.Column("distributor_reason", sa.Text(), nullable=False),
        sa.Column("guide_id", sa.Uuid(), nullable=True),
        sa.Column("guide_reason", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("store_reason", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("room_reason", sa.Text(), nullable=False),
        sa.Column("touchpoint_id", sa.Uuid(), nullable=True),
        sa.Column("guide_touchpoint_id", sa.Uuid(), nullable=True),
        sa.Column("room_touchpoint_id", sa.Uuid(), nullable=True),
        sa.Column(
            "decided_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("line_id", name=op.f("attribution_line_pkey")),
    )
    op.create_index("attribution_line_guide_idx", "attribution_line", ["guide_id", "order_id"], unique=False)
    op.create_index(op.f("attribution_line_order_id_idx"), "attribution_line", ["order_id"], unique=False)
    op.create_table(
        "attribution_promoter",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("promoter_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("upline_id", sa.Uuid(), nullable=True),
        sa.Column("store_id", sa.Uuid(), nullable=True),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('distributor', 'guide')", name=op.f("attribution_promoter_kind_check")),
        sa.CheckConstraint("upline_id <> promoter_id", name=op.f("attribution_promoter_upline_is_another_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("attribution_promoter_pkey")),
    )
    op.create_index(
        "attribution_promoter_current_key",
        "attribution_promoter",
        ["promoter_id"],
        unique=True,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_index(
        "attribution_promoter_person_idx",
        "attribution_promoter",
        ["person_id"],
        unique=False,
        postgresql_where=sa.text("valid_to IS NULL"),
    )
    op.create_table(
        "attribution_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("share_touch_ttl_s", sa.Integer(), nullable=False),
        sa.Column("room_touch_ttl_s", sa.Integer(), nullable=False),
        sa.Column("guide_touch_ttl_s", sa.Integer(), nullable=False),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "least(share_touch_ttl_s, room_touch_ttl_s, guide_touch_ttl_s) >= 0",
            name=op.f("attribution_rule_ttl_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("attribution_rule_pkey")),
    )
    op.create_index(op.f("attribution_rule_valid_from_idx"), "attribution_rule", ["valid_from"], unique=False)
    op.create_table(
        "attribution_shelf",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column(
            "shelved_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("room_id", "product_id", name=op.f("attribution_shelf_pkey")),
    )
    op.create_table(
        "attribution_touch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("touchpoint_id", sa.Uuid(), nullable=False),
        sa.Column("distributor_id", sa.Uuid(), nullable=True),
        sa.Column("guide_id", sa.Uuid(), nullable=True),
        sa.Column("guide_store_id", sa.Uuid(), nullable=True),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("store_id", sa.Uuid(), nullable=True),
        sa.Column("product_id", sa.Uuid(), nullable=True),
        sa.Column("first", sa.Boolean(), nullable=False),
        sa.Column("entry", sa.Text(), nullable=True),
        sa.Column(
            "touched_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("attribution_touch_pkey")),
    )
    op.create_index("attribution_touch_customer_idx", "attribution_touch", ["customer_id", "touched_at"], unique=False)
    op.create_index(
        "attribution_touch_first_key",
        "attribution_touch",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("first"),
    )
    op.create_index("attribution_touch_touchpoint_idx", "attribution_touch", ["touchpoint_id", "first"], unique=False)
    op.create_table(
        "attribution_touchpoint",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("distributor_id", sa.Uuid(), nullable=True),
        sa.Column("guide_id", sa.Uuid(), nullable=True),
        sa.Column("sharer_id", sa.Uuid(), nullable=True),
        sa.Column("product_id", sa.Uuid(), nullable=True),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("store_id", sa.Uuid(), nullable=True),
        sa.Column("via_id", sa.Uuid(), nullable=True),
        sa.Column("live_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("live_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("kind IN ('share', 'room')", name=op.f("attribution_touchpoint_kind_check")),
        sa.ForeignKeyConstraint(
            ["via_id"], ["attribution_touchpoint.id"], name=op.f("attribution_touchpoint_via_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("attribution_touchpoint_pkey")),
    )
    op.create_index(
        "attribution_touchpoint_distributor_idx", "attribution_touchpoint", ["distributor_id", "id"], unique=False
    )
    op.create_index(
        "attribution_touchpoint_room_key",
        "attribution_touchpoint",
        ["room_id"],
        unique=True,
        postgresql_where=sa.text("kind = 'room'"),
    )
    op.execute("""
        CREATE TRIGGER attribution_line_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON attribution_line
        FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """)
    op.execute("""
        CREATE TRIGGER attribution_rule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON attribution_rule
        FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """)
