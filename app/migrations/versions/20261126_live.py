"""Live: rooms, shelf, mutes, visits, tips, takings."""

import sqlalchemy as sa
from alembic import op

revision = "20261126_live"
down_revision = "20261126_distribution"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_room",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("host_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("scope_path", sa.Text(), nullable=False),
        sa.Column("touchpoint_id", sa.Uuid(), nullable=False),
        sa.Column("touchpoint_path", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pinned_product_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name=op.f("live_room_ended_once_check")),
        sa.CheckConstraint(
            "(status = 'scheduled') = (started_at IS NULL) OR status = 'ended'",
            name=op.f("live_room_started_once_check"),
        ),
        sa.CheckConstraint("kind IN ('rtmp', 'plugin', 'channels')", name=op.f("live_room_kind_known_check")),
        sa.CheckConstraint(
            "status IN ('scheduled', 'live', 'paused', 'ended')", name=op.f("live_room_status_known_check")
        ),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 60", name=op.f("live_room_title_length_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("live_room_pkey")),
    )
    op.create_index(
        "live_room_open_idx", "live_room", ["status", "id"], unique=False, postgresql_where=sa.text("status <> 'ended'")
    )
    op.create_index(
        "live_room_ended_idx", "live_room", ["ended_at"], unique=False, postgresql_where=sa.text("ended_at IS NOT NULL")
    )
    op.create_index(
        "live_room_scope_idx", "live_room", [sa.literal_column("scope_path text_pattern_ops"), "id"], unique=False
    )
    op.create_index("live_room_store_idx", "live_room", ["store_id", "id"], unique=False)
    op.create_table(
        "live_taking",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'refund') = (amount_fen < 0) OR amount_fen = 0", name=op.f("live_taking_sign_of_kind_check")
        ),
        sa.CheckConstraint("kind IN ('order', 'refund', 'tip')", name=op.f("live_taking_kind_known_check")),
        sa.PrimaryKeyConstraint("room_id", "kind", "source_id", name=op.f("live_taking_pkey")),
    )
    op.create_table(
        "live_mute",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_staff", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["live_room.id"], name=op.f("live_mute_room_id_fkey")),
        sa.PrimaryKeyConstraint("room_id", "customer_id", name=op.f("live_mute_pkey")),
    )
    op.create_table(
        "live_shelf",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["live_room.id"], name=op.f("live_shelf_room_id_fkey")),
        sa.PrimaryKeyConstraint("room_id", "product_id", name=op.f("live_shelf_pkey")),
    )
    op.create_table(
        "live_tally",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("peak_viewers", sa.Integer(), nullable=False),
        sa.Column("likes", sa.Integer(), nullable=False),
        sa.Column("chats", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["live_room.id"], name=op.f("live_tally_room_id_fkey")),
        sa.PrimaryKeyConstraint("room_id", name=op.f("live_tally_pkey")),
    )
    op.create_table(
        "live_tip",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("host_id", sa.Uuid(), nullable=False),
        sa.Column("store_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("charge_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'refunded') = (refund_id IS NOT NULL)", name=op.f("live_tip_refunded_once_check")
        ),
        sa.CheckConstraint(
            "(status IN ('paid', 'refunded')) = (paid_at IS NOT NULL)", name=op.f("live_tip_paid_once_check")
        ),
        sa.CheckConstraint(
            "status IN ('unpaid', 'paid', 'closed', 'refunded')", name=op.f("live_tip_status_known_check")
        ),
        sa.CheckConstraint("amount_fen BETWEEN 1 AND 5000000", name=op.f("live_tip_amount_bounded_check")),
        sa.CheckConstraint("length(message) <= 60", name=op.f("live_tip_message_length_check")),
        sa.ForeignKeyConstraint(["room_id"], ["live_room.id"], name=op.f("live_tip_room_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("live_tip_pkey")),
        sa.UniqueConstraint("charge_id", name=op.f("live_tip_charge_id_key")),
        sa.UniqueConstraint("refund_id", name=op.f("live_tip_refund_id_key")),
    )
    op.create_index("live_tip_room_idx", "live_tip", ["room_id", "id"], unique=False)
    op.create_index(
        "live_tip_unpaid_idx", "live_tip", ["expires_at"], unique=False, postgresql_where=sa.text("status = 'unpaid'")
    )
    op.create_table(
        "live_tip_rule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("host_bps", sa.Integer(), nullable=False),
        sa.Column("store_bps", sa.Integer(), nullable=False),
        sa.Column(
            "valid_from", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "host_bps >= 0 AND store_bps >= 0 AND host_bps + store_bps <= 10000",
            name=op.f("live_tip_rule_at_most_whole_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("live_tip_rule_pkey")),
    )
    op.create_index(op.f("live_tip_rule_valid_from_idx"), "live_tip_rule", ["valid_from"], unique=False)
    op.execute("""
        CREATE TRIGGER live_tip_rule_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON live_tip_rule
        FOR EACH STATEMENT EXECUTE FUNCTION siyu_append_only()
    """)
    op.create_table(
        "live_visit",
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["live_room.id"], name=op.f("live_visit_room_id_fkey")),
        sa.PrimaryKeyConstraint("room_id", "customer_id", name=op.f("live_visit_pkey")),
    )
