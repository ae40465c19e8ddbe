"""Attribution knows who works for the brand, and two more rules of who can win a sale."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_staff"
down_revision = "20261127_tips"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attribution_staff",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("attribution_staff_pkey")),
    )
    op.execute(
        """INSERT INTO attribution_staff (person_id)
           SELECT customer_id FROM stores_staff WHERE status = 'active' AND customer_id IS NOT NULL"""
    )
    for name in ("staff_may_distribute", "own_link_stops"):
        op.add_column(
            "attribution_rule", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
