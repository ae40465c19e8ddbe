"""Performance by several measures: to whom each entry counts, and what that comes to a day."""

import sqlalchemy as sa
from alembic import op

revision = "20261127_measures"
down_revision = "20261126_payees"
branch_labels = None
depends_on = None

BACKFILL = (
    "ALTER TABLE stores_performance DISABLE TRIGGER stores_performance_append_only",
    """
    UPDATE stores_performance e
    SET credited_guide_id = a.guide_id, fulfilling_store_id = o.place_id, fulfilling_path = o.scope_path
    FROM attribution_line a JOIN mall_order o ON o.id = a.order_id
    WHERE a.line_id = e.line_id
    """,
    "ALTER TABLE stores_performance ENABLE TRIGGER stores_performance_append_only",
    "TRUNCATE stores_party_day, stores_path_day",
    """
    INSERT INTO stores_party_day (day, role, scope_path, party_id, sales_fen, refunds_fen, orders, own_part_fen,
                                  fulfilled_fen)
    WITH counted AS (
        SELECT (e.business_at AT TIME ZONE 'Asia/Shanghai')::date AS day, e.order_id, e.kind, c.*
        FROM stores_performance e CROSS JOIN LATERAL (VALUES
            ('store', e.store_id, e.scope_path, e.amount_fen, CASE e.role WHEN 'store' THEN e.amount_fen ELSE 0 END, 0),
            ('store', e.fulfilling_store_id, e.fulfilling_path, NULL, 0, e.amount_fen),
            ('guide', e.credited_guide_id, e.scope_path, e.amount_fen,
             CASE e.role WHEN 'guide' THEN e.amount_fen ELSE 0 END, 0)
        ) AS c(role, party_id, path, credited_fen, own_part_fen, fulfilled_fen)
        WHERE c.party_id IS NOT NULL
    ), placed AS (
        SELECT day, role, party_id, order_id, path COLLATE "C" AS path,
               lag(path COLLATE "C") OVER (PARTITION BY day, role, party_id, order_id ORDER BY path COLLATE "C") AS before
        FROM counted WHERE kind = 'sale' AND credited_fen IS NOT NULL GROUP BY 1, 2, 3, 4, 5
    ), figures AS (
        SELECT day, role, party_id, path, CASE kind WHEN 'sale' THEN coalesce(credited_fen, 0) ELSE 0 END AS sales_fen,
               CASE kind WHEN 'sale' THEN 0 ELSE -coalesce(credited_fen, 0) END AS refunds_fen, 0 AS orders, own_part_fen,
               fulfilled_fen
        FROM counted
        UNION ALL
        SELECT day, role, party_id, path, 0, 0, 1, 0, 0 FROM placed
        UNION ALL
        SELECT day, role, party_id, (SELECT max(left(path, n)) FROM generate_series(1, length(path)) n
                                     WHERE substr(path, n, 1) = '/' AND left(path, n) = left(before, n)), 0, 0, -1, 0, 0
        FROM placed WHERE before IS NOT NULL
    )
    SELECT day, role, path, party_id, sum(sales_fen), sum(refunds_fen), sum(orders), sum(own_part_fen), sum(fulfilled_fen)
    FROM figures GROUP BY 1, 2, 3, 4
    """,
    """
    INSERT INTO stores_path_day (day, scope_path, sales_fen, refunds_fen, orders, own_part_fen, fulfilled_fen)
    WITH counted AS (
        SELECT (e.business_at AT TIME ZONE 'Asia/Shanghai')::date AS day, e.order_id, e.kind, c.*
        FROM stores_performance e CROSS JOIN LATERAL (VALUES
            (e.scope_path, e.amount_fen, CASE e.role WHEN 'store' THEN e.amount_fen ELSE 0 END, 0),
            (e.fulfilling_path, NULL, 0, e.amount_fen)
        ) AS c(path, credited_fen, own_part_fen, fulfilled_fen)
        WHERE c.path IS NOT NULL
    ), placed AS (
        SELECT day, order_id, path COLLATE "C" AS path,
               lag(path COLLATE "C") OVER (PARTITION BY day, order_id ORDER BY path COLLATE "C") AS before
        FROM counted WHERE kind = 'sale' AND credited_fen IS NOT NULL GROUP BY 1, 2, 3
    ), figures AS (
        SELECT day, path, CASE kind WHEN 'sale' THEN coalesce(credited_fen, 0) ELSE 0 END AS sales_fen,
               CASE kind WHEN 'sale' THEN 0 ELSE -coalesce(credited_fen, 0) END AS refunds_fen, 0 AS orders, own_part_fen,
               fulfilled_fen
        FROM counted
        UNION ALL
        SELECT day, path, 0, 0, 1, 0, 0 FROM placed
        UNION ALL
        SELECT day, (SELECT max(left(path, n)) FROM generate_series(1, length(path)) n
                     WHERE substr(path, n, 1) = '/' AND left(path, n) = left(before, n)), 0, 0, -1, 0, 0
        FROM placed WHERE before IS NOT NULL
    )
    SELECT day, path, sum(sales_fen), sum(refunds_fen), sum(orders), sum(own_part_fen), sum(fulfilled_fen)
    FROM figures GROUP BY 1, 2
    """,
)


def upgrade() -> None:
    op.add_column("attribution_line", sa.Column("inviting_store_id", sa.Uuid(), nullable=True))
    for name in ("credited_guide_id", "fulfilling_store_id", "inviting_store_id"):
        op.add_column("stores_performance", sa.Column(name, sa.Uuid(), nullable=True))
    for name in ("fulfilling_path", "inviting_path"):
        op.add_column("stores_performance", sa.Column(name, sa.Text(), nullable=True))
    for table in ("stores_party_day", "stores_path_day"):
        for name in ("own_part_fen", "fulfilled_fen", "inviting_fen"):
            op.add_column(table, sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    for statement in BACKFILL:
        op.execute(statement)
