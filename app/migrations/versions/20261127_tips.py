"""Tips: their parts and refunds, and which stores are legal entities that can be owed some."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_tips"
down_revision = "20261127_measures"
branch_labels = None
depends_on = None

# The parts of what was paid so far are in its event. Until now every store was owed its part.
BACKFILL = """
    UPDATE live_tip t
    SET host_fen = (e.payload ->> 'host_fen')::bigint, store_fen = (e.payload ->> 'store_fen')::bigint,
        brand_fen = (e.payload ->> 'brand_fen')::bigint, store_is_payee = true
    FROM (SELECT stream, payload FROM event WHERE type = 'live.tip_paid'
          UNION ALL SELECT stream, payload FROM event_outbox WHERE type = 'live.tip_paid') e
    WHERE e.stream = t.id AND t.status = 'paid'
"""


def upgrade() -> None:
    op.add_column(
        "stores_store", sa.Column("is_legal_entity", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    for name in ("host_fen", "store_fen", "brand_fen"):
        op.add_column("live_tip", sa.Column(name, sa.BigInteger(), nullable=True))
    op.add_column("live_tip", sa.Column("store_is_payee", sa.Boolean(), nullable=True))
    op.add_column("live_tip", sa.Column("refund_reason", sa.Text(), nullable=True))
    op.add_column("live_tip", sa.Column("refunded_by", sa.Uuid(), nullable=True))
    op.execute(BACKFILL)
    op.create_check_constraint(
        op.f("live_tip_parts_are_whole_check"), "live_tip", "host_fen + store_fen + brand_fen = amount_fen"
    )
    op.create_check_constraint(
        op.f("live_tip_refunded_for_a_reason_check"), "live_tip", "(refunded_by IS NULL) = (refund_reason IS NULL)"
    )
    op.drop_constraint(op.f("live_taking_kind_known_check"), "live_taking", type_="check")
    op.create_check_constraint(
        op.f("live_taking_kind_known_check"), "live_taking", "kind IN ('order', 'refund', 'tip', 'tip_refund')"
    )
    op.drop_constraint(op.f("live_taking_sign_of_kind_check"), "live_taking", type_="check")
    op.create_check_constraint(
        op.f("live_taking_sign_of_kind_check"),
        "live_taking",
        "(kind IN ('refund', 'tip_refund')) = (amount_fen < 0) OR amount_fen = 0",
    )
