"""Invariants of the mall, and of the mall against payments, ledger and log."""

from app.core import db
from app.core.db import AsyncSession

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
    "order {id} is paid with {was}, its settled charge took {due}": """
        SELECT o.id, o.paid_fen AS was, c.amount_fen AS due FROM mall_order o
        LEFT JOIN payments_charge c ON c.id = o.charge_id AND c.status = 'settled'
        WHERE o.status = 'paid' AND c.amount_fen IS DISTINCT FROM o.paid_fen""",
    "order {id} holds {was} of customer_prepaid, it should be {due}": """
        SELECT o.id, coalesce(e.fen, 0) AS was, o.paid_fen - o.refunded_fen AS due FROM mall_order o
        LEFT JOIN (SELECT subject, -sum(amount_fen) AS fen FROM ledger_entry WHERE account = 'customer_prepaid'
                   GROUP BY subject) e ON e.subject = o.id
        WHERE coalesce(e.fen, 0) <> o.paid_fen - o.refunded_fen""",
    "order {id} says refunded {was}, its refunds come to {due}": """
        SELECT o.id, o.refunded_fen AS was, coalesce(r.due, 0) AS due FROM mall_order o
        LEFT JOIN (SELECT order_id, sum(amount_fen) AS due FROM mall_refund GROUP BY 1) r ON r.order_id = o.id
        WHERE o.refunded_fen <> coalesce(r.due, 0)""",
    "order {id}: its lines' goods paid come to {was}, goods less discounts are {due}": """
        SELECT o.id, sum(l.goods_paid_fen) AS was, o.goods_fen - o.discount_fen AS due FROM mall_order o
        JOIN mall_order_line l ON l.order_id = o.id GROUP BY o.id
        HAVING sum(l.goods_paid_fen) <> o.goods_fen - o.discount_fen""",
    "order {id} is paid but {was} OrderPaid facts tell of it, not {due}": """
        SELECT o.id, coalesce(f.n, 0) AS was, 1 AS due FROM mall_order o
        LEFT JOIN (
            SELECT stream, count(*) AS n FROM (
                SELECT stream FROM event WHERE type = 'mall.order_paid'
                UNION ALL SELECT stream FROM event_inbox WHERE type = 'mall.order_paid') x GROUP BY stream
        ) f ON f.stream = o.id
        WHERE coalesce(f.n, 0) <> (o.status = 'paid')::int""",
    "order {id} has {was} lines without a frozen attribution, not {due}": """
        SELECT l.order_id AS id, count(*) AS was, 0 AS due FROM mall_order_line l
        LEFT JOIN attribution_line a ON a.line_id = l.id WHERE a.line_id IS NULL GROUP BY l.order_id""",
}


async def audit(session: AsyncSession) -> list[str]:
    """Stock equals orders, orders equal charges, books and refunds, and each paid order is told once."""
    breaches: list[str] = []
    for text, query in _CHECKS.items():
        rows = await db.fetch(session, f"{query} LIMIT 20")
        breaches += [text.format(**dict(row)) for row in rows]
    return breaches
