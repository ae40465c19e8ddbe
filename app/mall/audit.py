"""Invariants of the mall, and of the mall against payments, ledger and log."""

from app.core import db
from app.core.db import AsyncSession

# All facts, numbered or not.
_TOLD = """
WITH told AS (
    SELECT type, stream, payload FROM event UNION ALL SELECT type, stream, payload FROM event_inbox
)
"""

_CHECKS = {
    "place/sku {id} reserves {was}, its unpaid orders hold {due}": """
        SELECT s.place_id || '/' || s.sku_id AS id, s.reserved AS was, coalesce(o.due, 0) AS due FROM mall_stock s
        LEFT JOIN (
            SELECT o.place_id, l.sku_id, sum(l.quantity) AS due FROM mall_order o
            JOIN mall_order_line l ON l.order_id = o.id WHERE o.status = 'unpaid' GROUP BY 1, 2
        ) o USING (place_id, sku_id)
        WHERE s.reserved <> coalesce(o.due, 0)""",
    "place/sku {id} sold {was}, its paid orders kept {due}": """
        SELECT s.place_id || '/' || s.sku_id AS id, s.sold AS was, coalesce(o.due, 0) AS due FROM mall_stock s
        LEFT JOIN (
            SELECT o.place_id, l.sku_id, sum(l.quantity - l.restocked_quantity) AS due FROM mall_order o
            JOIN mall_order_line l ON l.order_id = o.id WHERE o.status = 'paid' GROUP BY 1, 2
        ) o USING (place_id, sku_id)
        WHERE s.sold <> coalesce(o.due, 0)""",
    "order {id} sold for {was}, settled charges that were not sent back by themselves say {due}": """
        SELECT coalesce(o.id, c.subject_id) AS id, coalesce(o.paid_fen || ' by ' || o.transaction_id, 'nothing') AS was,
               coalesce(c.amount_fen || ' by ' || c.transaction_id || ' for ' || c.subject_id, 'nothing') AS due
        FROM (SELECT * FROM mall_order WHERE status = 'paid') o
        FULL JOIN (
            SELECT * FROM payments_charge c WHERE c.subject_kind = 'order' AND c.status = 'settled' AND NOT EXISTS (
                SELECT 1 FROM payments_refund r WHERE r.charge_id = c.id AND r.amount_fen = c.amount_fen
                  AND NOT EXISTS (SELECT 1 FROM mall_order o WHERE o.charge_id = c.id))
        ) c ON c.id = o.charge_id
        WHERE (o.id, o.paid_fen, o.transaction_id) IS DISTINCT FROM (c.subject_id, c.amount_fen, c.transaction_id)""",
    "order {id} holds {was} of customer_prepaid, it should be {due}": """
        SELECT o.id, coalesce(e.fen, 0) AS was, o.paid_fen - o.refunded_fen AS due FROM mall_order o
        LEFT JOIN (SELECT subject, -sum(amount_fen) AS fen FROM ledger_entry WHERE account = 'customer_prepaid'
                   GROUP BY subject) e ON e.subject = o.id
        WHERE coalesce(e.fen, 0) <> o.paid_fen - o.refunded_fen""",
    "order {id} says refunded {was} with freight, its refunds come to {due}": """
        SELECT o.id, o.refunded_fen || '/' || o.freight_refunded_fen AS was,
               coalesce(r.fen, 0) || '/' || coalesce(r.freight_fen, 0) AS due FROM mall_order o
        LEFT JOIN (SELECT order_id, sum(amount_fen) AS fen, sum(freight_fen) AS freight_fen FROM mall_refund GROUP BY 1) r
            ON r.order_id = o.id
        WHERE (o.refunded_fen, o.freight_refunded_fen) <> (coalesce(r.fen, 0), coalesce(r.freight_fen, 0))""",
    "line {id} says {was} fen, units and restocked units refunded, its refund lines come to {due}": """
        SELECT l.id, concat_ws('/', l.refunded_fen, l.refunded_quantity, l.restocked_quantity) AS was,
               concat_ws('/', coalesce(r.fen, 0), coalesce(r.units, 0), coalesce(r.restocked, 0)) AS due
        FROM mall_order_line l
        LEFT JOIN (SELECT line_id, sum(amount_fen) AS fen, sum(quantity) AS units, sum(restocked_quantity) AS restocked
                   FROM mall_refund_line GROUP BY line_id) r ON r.line_id = l.id
        WHERE (l.refunded_fen, l.refunded_quantity, l.restocked_quantity)
              <> (coalesce(r.fen, 0), coalesce(r.units, 0), coalesce(r.restocked, 0))""",
    "refund {id} is {was}, its lines and freight come to {due}": """
        SELECT r.id, r.amount_fen AS was, r.freight_fen + coalesce(sum(l.amount_fen), 0) AS due FROM mall_refund r
        LEFT JOIN mall_refund_line l ON l.refund_id = r.id GROUP BY r.id
        HAVING r.amount_fen <> r.freight_fen + coalesce(sum(l.amount_fen), 0)""",
    "refund {id} is agreed as {was}, payments sends {due}": """
        SELECT coalesce(m.id, p.id) AS id, coalesce(m.amount_fen || ' of ' || m.order_id, 'nothing') AS was,
               coalesce(p.amount_fen || ' of ' || p.order_id, 'nothing') AS due
        FROM (SELECT * FROM mall_refund WHERE amount_fen > 0) m
        FULL JOIN (SELECT r.id, r.amount_fen, o.id AS order_id FROM payments_refund r
                   JOIN mall_order o ON o.charge_id = r.charge_id) p ON p.id = m.id
        WHERE (m.amount_fen, m.order_id) IS DISTINCT FROM (p.amount_fen, p.order_id)""",
    "refund {id} is {was}, by the facts that were delivered it is {due}": """
        SELECT m.id, m.status AS was, coalesce(h.status, 'agreed') AS due FROM mall_refund m
        LEFT JOIN (
            SELECT e.stream AS id, CASE WHEN bool_or(e.type = 'payments.refund_succeeded') THEN 'paid' ELSE 'stuck' END
                   AS status
            FROM event e JOIN event_cursor c ON c.consumer = 'mall.refunds' AND e.seq <= c.seq
            WHERE e.type IN ('payments.refund_succeeded', 'payments.refund_stuck') AND NOT EXISTS (
                SELECT 1 FROM event_parked p
                WHERE p.consumer = 'mall.refunds' AND p.seq = e.seq AND p.resolved_at IS NULL)
            GROUP BY e.stream
        ) h ON h.id = m.id
        WHERE m.amount_fen > 0 AND m.status <> coalesce(h.status, 'agreed')""",
    "order {id}: its lines' goods paid come to {was}, goods less discounts are {due}": """
        SELECT o.id, coalesce(sum(l.goods_paid_fen), 0) AS was, o.goods_fen - o.discount_fen AS due FROM mall_order o
        LEFT JOIN mall_order_line l ON l.order_id = o.id GROUP BY o.id
        HAVING count(l.id) = 0 OR sum(l.goods_paid_fen) <> o.goods_fen - o.discount_fen""",
    "order {id} is paid with {due}, OrderPaid facts tell of {was}": """
        SELECT coalesce(o.id, f.stream) AS id, coalesce(f.fen, 0) AS was, coalesce(o.paid_fen, 0) AS due
        FROM (SELECT id, paid_fen FROM mall_order WHERE status = 'paid') o
        FULL JOIN (SELECT stream, sum((payload ->> 'paid_fen')::bigint) AS fen FROM told
                   WHERE type = 'mall.order_paid' GROUP BY stream) f ON f.stream = o.id
        WHERE o.paid_fen IS DISTINCT FROM f.fen""",
    "order {id} is {due}, {was} OrderClosed facts tell of it": """
        SELECT coalesce(o.id, f.stream) AS id, coalesce(f.told, 0) AS was, coalesce(o.status, 'unknown') AS due
        FROM mall_order o
        FULL JOIN (SELECT stream, count(*) AS told FROM told WHERE type = 'mall.order_closed' GROUP BY stream) f
            ON f.stream = o.id
        WHERE CASE o.status WHEN 'closed' THEN f.told IS DISTINCT FROM 1
                            WHEN 'paid' THEN f.told > 1 ELSE f.told > 0 END""",
    "refund {id} is agreed as {due}, RefundAgreed facts tell of {was}": """
        SELECT coalesce(r.id, f.id) AS id, coalesce(f.fen::text, 'nothing') AS was,
               coalesce(r.amount_fen::text, 'nothing') AS due
        FROM mall_refund r FULL JOIN (
            SELECT (payload ->> 'refund_id')::uuid AS id, sum((payload ->> 'amount_fen')::bigint) AS fen FROM told
            WHERE type = 'mall.refund_agreed' GROUP BY 1
        ) f ON f.id = r.id
        WHERE r.amount_fen IS DISTINCT FROM f.fen""",
    "refund {id} is paid out with {due}, RefundPaid facts tell of {was}": """
        SELECT coalesce(r.id, f.id) AS id, coalesce(f.fen, 0) AS was, coalesce(r.amount_fen, 0) AS due
        FROM (SELECT id, amount_fen FROM mall_refund WHERE status = 'paid' AND amount_fen > 0) r
        FULL JOIN (
            SELECT (payload ->> 'refund_id')::uuid AS id, sum((payload ->> 'amount_fen')::bigint) AS fen FROM told
            WHERE type = 'mall.refund_paid' GROUP BY 1
        ) f ON f.id = r.id
        WHERE r.amount_fen IS DISTINCT FROM f.fen""",
    "order {id} has {was} lines without a frozen attribution, not {due}": """
        SELECT l.order_id AS id, count(*) AS was, 0 AS due FROM mall_order_line l
        LEFT JOIN attribution_line a ON a.line_id = l.id WHERE a.line_id IS NULL GROUP BY l.order_id""",
}


async def audit(session: AsyncSession) -> list[str]:
    """Stock equals orders, orders equal charges, books and refunds, lines add up, and each payment, closing and refund is
    told once."""
    breaches: list[str] = []
    for text, query in _CHECKS.items():
        rows = await db.fetch(session, f"{_TOLD}{query} LIMIT 20")
        breaches += [text.format(**dict(row)) for row in rows]
    return breaches
