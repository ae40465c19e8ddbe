"""The invariants of distribution: each fact has its commission and its link's sale, each of these its fact, and the books
agree."""

from app.core import db
from app.core.db import AsyncSession
from app.core.ids import wire
from app.distribution.rules import DEFAULT_TERMS

_CONSUMER = "distribution.commissions"

# The facts that the consumer has applied.
_SEEN = """
seen AS (
    SELECT e.type, e.payload FROM event e
    WHERE e.type IN ('mall.order_paid', 'mall.refund_agreed')
      AND e.seq <= coalesce((SELECT seq FROM event_cursor WHERE consumer = $1), 0)
      AND NOT EXISTS (SELECT 1 FROM event_parked p
                      WHERE p.consumer = $1 AND p.seq = e.seq AND p.resolved_at IS NULL)
)
"""

# What they say each line and level must have earned and lost.
_DIFFERENCES = f"""
WITH {_SEEN}, refunded AS (
    SELECT (l ->> 'line_id')::uuid AS line_id, sum((l ->> 'amount_fen')::bigint)::bigint AS refunded_fen
    FROM seen s, jsonb_array_elements(s.payload -> 'lines') AS l
    WHERE s.type = 'mall.refund_agreed' GROUP BY 1
), paid AS (
    SELECT (l ->> 'line_id')::uuid AS line_id, (l ->> 'goods_paid_fen')::bigint AS base_fen,
           (l -> 'credit' ->> 'distributor_id')::uuid AS distributor_id, (l -> 'credit' ->> 'upline_id')::uuid AS upline_id,
           coalesce(t.level1_bps, $2) AS level1_bps, coalesce(t.level2_bps, $3) AS level2_bps
    FROM seen s
    CROSS JOIN jsonb_array_elements(s.payload -> 'lines') AS l
    LEFT JOIN LATERAL (
        SELECT level1_bps, level2_bps FROM distribution_terms
        WHERE valid_from <= (s.payload ->> 'placed_at')::timestamptz ORDER BY valid_from DESC, id DESC LIMIT 1
    ) t ON true
    WHERE s.type = 'mall.order_paid' AND l -> 'credit' ->> 'distributor_id' IS NOT NULL
), expected AS (
    SELECT p.line_id, x.level, x.distributor_id, (p.base_fen * x.rate_bps + 5000) / 10000 AS amount_fen,
           ((p.base_fen - coalesce(r.refunded_fen, 0)) * x.rate_bps + 5000) / 10000 AS left_fen
    FROM paid p
    CROSS JOIN LATERAL (VALUES (1, p.distributor_id, p.level1_bps), (2, p.upline_id, p.level2_bps))
        AS x(level, distributor_id, rate_bps)
    LEFT JOIN refunded r USING (line_id)
    WHERE x.distributor_id IS NOT NULL AND (p.base_fen * x.rate_bps + 5000) / 10000 > 0
)
SELECT line_id, level, e.distributor_id AS expected_for, c.distributor_id AS written_for,
       coalesce(e.amount_fen, 0) AS expected_fen, coalesce(c.amount_fen, 0) AS written_fen,
       coalesce(e.left_fen, 0) AS expected_left_fen, coalesce(c.amount_fen - c.clawed_fen, 0) AS left_fen
FROM expected e FULL JOIN distribution_commission c USING (line_id, level)
WHERE (e.distributor_id, e.amount_fen, e.left_fen)
      IS DISTINCT FROM (c.distributor_id, c.amount_fen, c.amount_fen - c.clawed_fen)
LIMIT 20
"""  # noqa: S608  a constant

# What they say each link must have sold.
_UNSOLD = f"""
WITH {_SEEN}, expected AS (
    SELECT (l ->> 'line_id')::uuid AS line_id, (s.payload ->> 'order_id')::uuid AS order_id,
           (l -> 'credit' ->> 'distributor_id')::uuid AS distributor_id,
           (l -> 'credit' ->> 'touchpoint_id')::uuid AS touchpoint_id, (l ->> 'goods_paid_fen')::bigint AS goods_paid_fen
    FROM seen s CROSS JOIN jsonb_array_elements(s.payload -> 'lines') AS l
    WHERE s.type = 'mall.order_paid' AND l -> 'credit' ->> 'distributor_id' IS NOT NULL
      AND l -> 'credit' ->> 'touchpoint_id' IS NOT NULL
)
SELECT line_id, e.goods_paid_fen AS expected_fen, w.goods_paid_fen AS written_fen,
       e.touchpoint_id AS expected_for, w.touchpoint_id AS written_for
FROM expected e FULL JOIN distribution_link_sale w USING (line_id)
WHERE (e.order_id, e.distributor_id, e.touchpoint_id, e.goods_paid_fen)
      IS DISTINCT FROM (w.order_id, w.distributor_id, w.touchpoint_id, w.goods_paid_fen)
LIMIT 20
"""  # noqa: S608  a constant

_HELD = """
SELECT owner, coalesce(l.held_fen, 0)::bigint AS ledger_fen, coalesce(c.held_fen, 0)::bigint AS held_fen
FROM (
    SELECT owner, -sum(amount_fen) AS held_fen FROM ledger_entry
    WHERE account = 'payee_held' AND owner IN (SELECT id FROM distribution_distributor) GROUP BY owner
) l
FULL JOIN (
    SELECT distributor_id AS owner, sum(amount_fen - clawed_fen) AS held_fen FROM distribution_commission
    WHERE status = 'held' GROUP BY distributor_id
) c USING (owner)
WHERE coalesce(l.held_fen, 0) <> coalesce(c.held_fen, 0)
LIMIT 20
"""

_CLAWED = """
SELECT c.id, c.clawed_fen, coalesce(sum(b.amount_fen), 0)::bigint AS clawbacks_fen
FROM distribution_commission c LEFT JOIN distribution_clawback b ON b.commission_id = c.id
GROUP BY c.id HAVING c.clawed_fen <> coalesce(sum(b.amount_fen), 0)
LIMIT 20
"""


async def audit(session: AsyncSession) -> list[str]:
    """Commissions are what facts and terms say, sales of links what facts say; claw-backs add up; what the ledger holds
    for each is what is held."""
    differences = await db.fetch(session, _DIFFERENCES, _CONSUMER, DEFAULT_TERMS.level1_bps, DEFAULT_TERMS.level2_bps)
    breaches = [
        f"commission of line {wire('oln', row['line_id'])} level {row['level']} is {row['written_fen']} with "
        f"{row['left_fen']} left for {row['written_for']}, the facts say {row['expected_fen']} with "
        f"{row['expected_left_fen']} left for {row['expected_for']}"
        for row in differences
    ]
    breaches += [
        f"line {wire('oln', row['line_id'])} is a sale of {row['written_fen']} by the link {row['written_for']}, the facts "
        f"say {row['expected_fen']} by {row['expected_for']}"
        for row in await db.fetch(session, _UNSOLD, _CONSUMER)
    ]
    breaches += [
        f"the ledger holds {row['ledger_fen']} for {wire('dst', row['owner'])}, held commissions come to {row['held_fen']}"
        for row in await db.fetch(session, _HELD)
    ]
    breaches += [
        f"commission {wire('com', row['id'])} has {row['clawed_fen']} taken back, its claw-backs say "
        f"{row['clawbacks_fen']}"
        for row in await db.fetch(session, _CLAWED)
    ]
    return breaches
