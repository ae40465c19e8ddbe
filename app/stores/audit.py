"""The invariants of performance: each fact has its entries, and each entry its fact."""

from app.core import db
from app.core.db import AsyncSession
from app.core.ids import wire

_CONSUMER = "stores.performance"

# What the facts that the consumer has seen say, line by line and source by source.
_DIFFERENCES = """
WITH seen AS (
    SELECT e.type, e.payload FROM event e
    WHERE e.type IN ('mall.order_paid', 'mall.refund_agreed')
      AND e.seq <= coalesce((SELECT seq FROM event_cursor WHERE consumer = $1), 0)
      AND NOT EXISTS (SELECT 1 FROM event_parked p
                      WHERE p.consumer = $1 AND p.seq = e.seq AND p.resolved_at IS NULL)
), expected AS (
    SELECT (l ->> 'line_id')::uuid AS line_id,
           (CASE s.type WHEN 'mall.order_paid' THEN s.payload ->> 'order_id' ELSE s.payload ->> 'refund_id' END)::uuid
               AS source_id,
           sum(CASE s.type WHEN 'mall.order_paid' THEN (l ->> 'goods_paid_fen')::bigint
                           ELSE -(l ->> 'amount_fen')::bigint END) AS amount_fen
    FROM seen s, jsonb_array_elements(s.payload -> 'lines') AS l
    GROUP BY 1, 2
), written AS (
    SELECT line_id, source_id, sum(amount_fen) AS amount_fen FROM stores_performance GROUP BY 1, 2
)
SELECT line_id, source_id, coalesce(e.amount_fen, 0)::bigint AS expected_fen,
       coalesce(w.amount_fen, 0)::bigint AS written_fen
FROM expected e FULL JOIN written w USING (line_id, source_id)
WHERE coalesce(e.amount_fen, 0) <> coalesce(w.amount_fen, 0)
LIMIT 20
"""


async def audit(session: AsyncSession) -> list[str]:
    """Parts of each paid or refunded line sum to what the fact says; a line never earns below 0 for anyone."""
    breaches = [
        f"performance of line {wire('oln', row['line_id'])} for source {row['source_id']} sums to "
        f"{row['written_fen']}, the facts say {row['expected_fen']}"
        for row in await db.fetch(session, _DIFFERENCES, _CONSUMER)
    ]
    negative = await db.fetch(
        session,
        """SELECT line_id, role, sum(amount_fen)::bigint AS net_fen FROM stores_performance
           GROUP BY line_id, role HAVING sum(amount_fen) < 0 LIMIT 20""",
    )
    breaches += [
        f"performance of line {wire('oln', row['line_id'])} for its {row['role']} is {row['net_fen']}"
        for row in negative
    ]
    return breaches
