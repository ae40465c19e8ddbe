"""Invariants of performance: entries against the log, day totals against entries."""

from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid
from app.stores.performance import CONSUMER


def _total_is_its_entries(table: str, key: str) -> str:
    """Each total against the entries of its key and path. An order counts as `rules.order_counts` says: 1 at each of its
    paths and −1 where neighbours among them meet."""
    return f"""
        WITH entry AS (
            SELECT (business_at AT TIME ZONE 'Asia/Shanghai')::date AS day, role,
                   coalesce(guide_id, store_id) AS party_id, scope_path COLLATE "C" AS path, order_id, kind, amount_fen
            FROM stores_performance
        ), part AS (
            SELECT {key}, kind, path, sum(amount_fen) AS fen,
                   lag(path) OVER (PARTITION BY {key}, order_id, kind ORDER BY path) AS before
            FROM entry GROUP BY {key}, order_id, kind, path
        ), counted AS (
            SELECT {key}, path, CASE kind WHEN 'sale' THEN fen ELSE 0 END AS sales_fen,
                   CASE kind WHEN 'sale' THEN 0 ELSE -fen END AS refunds_fen,
                   CASE kind WHEN 'sale' THEN 1 ELSE 0 END AS orders
            FROM part
            UNION ALL
            SELECT {key}, (SELECT max(left(path, n)) FROM generate_series(1, length(path)) n
                           WHERE substr(path, n, 1) = '/' AND left(path, n) = left(before, n)), 0, 0, -1
            FROM part WHERE kind = 'sale' AND before IS NOT NULL
        ), due AS (
            SELECT {key}, path COLLATE "default" AS scope_path, sum(sales_fen) AS sales_fen,
                   sum(refunds_fen) AS refunds_fen, sum(orders) AS orders
            FROM counted GROUP BY {key}, path
        )
        SELECT {key}, scope_path,
               concat_ws('/', coalesce(t.sales_fen, 0), coalesce(t.refunds_fen, 0), coalesce(t.orders, 0)) AS was,
               concat_ws('/', coalesce(d.sales_fen, 0), coalesce(d.refunds_fen, 0), coalesce(d.orders, 0)) AS due
        FROM due d FULL JOIN {table} t USING ({key}, scope_path)
        WHERE (t.sales_fen, t.refunds_fen, t.orders) IS DISTINCT FROM (d.sales_fen, d.refunds_fen, d.orders)"""


_CHECKS = checks(
    {
        "performance of line {line_id} for source {source_id} sums to {was}, the events say {due}": """
            WITH seen AS (
                SELECT e.type, e.payload FROM event e
                WHERE e.type IN (:paid, :refunded)
                  AND e.seq <= coalesce((SELECT seq FROM event_cursor WHERE consumer = :consumer), 0)
                  AND NOT EXISTS (SELECT 1 FROM event_dead_letter d
                                  WHERE d.consumer = :consumer AND d.seq = e.seq AND d.resolved_at IS NULL)
            ), expected AS (
                SELECT (l ->> 'line_id')::uuid AS line_id,
                       (s.payload ->> CASE s.type WHEN :paid THEN 'order_id' ELSE 'refund_id' END)::uuid AS source_id,
                       sum(CASE s.type WHEN :paid THEN (l ->> 'goods_paid_fen')::bigint
                                       ELSE -(l ->> 'amount_fen')::bigint END) AS fen
                FROM seen s, jsonb_array_elements(s.payload -> 'lines') AS l
                GROUP BY 1, 2
            ), written AS (
                SELECT line_id, source_id, sum(amount_fen) AS fen FROM stores_performance GROUP BY 1, 2
            )
            SELECT line_id, source_id, coalesce(e.fen, 0) AS due, coalesce(w.fen, 0) AS was
            FROM expected e FULL JOIN written w USING (line_id, source_id)
            WHERE coalesce(e.fen, 0) <> coalesce(w.fen, 0)""",
        "performance of line {line_id} for its {role} is {was}, below 0": """
            SELECT line_id, role, sum(amount_fen) AS was FROM stores_performance
            GROUP BY line_id, role HAVING sum(amount_fen) < 0""",
        "total of {role} {party_id} at {scope_path} on {day} is {was} sold/refunded/orders, entries say {due}": (
            _total_is_its_entries("stores_party_day", "day, role, party_id")
        ),
        "total at {scope_path} on {day} is {was} sold/refunded/orders, entries say {due}": (
            _total_is_its_entries("stores_path_day", "day")
        ),
    }
)


async def audit(session: Session) -> list[str]:
    """Parts of each paid or refunded line sum to what the event says, no line earns below 0 for anyone, and each total of a
    day is what its entries say."""
    return await breaches_of(
        session, _CHECKS, consumer=CONSUMER, paid=OrderPaid.type_name(), refunded=RefundAgreed.type_name()
    )
