"""Invariants of refunds, and of refunds against orders, payments and log."""

from app import attribution
from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.mall.aftersales.consumers import FOLLOW_REFUNDS
from app.mall.aftersales.events import RefundAgreed, RefundPaid
from app.payments import RefundStuck, RefundSucceeded

_CHECKS = checks(
    {
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
            FROM (SELECT id, order_id, amount_fen FROM mall_refund WHERE amount_fen > 0) m
            FULL JOIN (SELECT r.id, r.amount_fen, o.id AS order_id FROM payments_refund r
                       JOIN mall_order o ON o.charge_id = r.charge_id WHERE r.kind = 'agreed') p ON p.id = m.id
            WHERE (m.amount_fen, m.order_id) IS DISTINCT FROM (p.amount_fen, p.order_id)""",
        "refund {id} is {was}, by the events that were delivered it is {due}": """
            SELECT m.id, m.status AS was, coalesce(h.status, 'agreed') AS due FROM mall_refund m
            LEFT JOIN (
                SELECT stream AS id, CASE WHEN bool_or(type = :refund_succeeded) THEN 'paid' ELSE 'stuck' END AS status
                FROM applied WHERE type IN (:refund_succeeded, :refund_stuck)
                GROUP BY stream
            ) h ON h.id = m.id
            WHERE m.amount_fen > 0 AND m.status <> coalesce(h.status, 'agreed')""",
        "refund {id} is agreed as {due}, RefundAgreed events tell of {was}": """
            SELECT coalesce(r.id, f.id) AS id, coalesce(f.fen::text, 'nothing') AS was,
                   coalesce(r.amount_fen::text, 'nothing') AS due
            FROM mall_refund r FULL JOIN (
                SELECT (payload ->> 'refund_id')::uuid AS id, sum((payload ->> 'amount_fen')::bigint) AS fen FROM told
                WHERE type = :refund_agreed GROUP BY 1
            ) f ON f.id = r.id
            WHERE r.amount_fen IS DISTINCT FROM f.fen""",
        "refund {id} was agreed as {due}, its RefundAgreed event tells of {was}": """
            SELECT id, f.said AS was, r.said AS due
            FROM (SELECT r.id, (r.order_id, o.customer_id, o.book, r.scope_path, o.placed_at, r.agreed_at, r.freight_fen)::text
                         AS said
                  FROM mall_refund r JOIN mall_order o ON o.id = r.order_id) r
            JOIN (
                SELECT (payload ->> 'refund_id')::uuid AS id,
                       (stream, (payload ->> 'customer_id')::uuid, payload ->> 'book', payload ->> 'scope_path',
                        (payload ->> 'placed_at')::timestamptz, (payload ->> 'agreed_at')::timestamptz,
                        (payload ->> 'freight_fen')::bigint)::text AS said
                FROM told WHERE type = :refund_agreed
            ) f USING (id)
            WHERE r.said <> f.said""",
        "line {line_id} of refund {id} is {due}, its RefundAgreed event tells of {was}": """
            SELECT coalesce(r.refund_id, f.refund_id) AS id, line_id, coalesce(f.said, 'nothing') AS was,
                   coalesce(r.said, 'nothing') AS due
            FROM (SELECT r.refund_id, r.line_id, (l.sku_id, l.goods_paid_fen, r.quantity, r.restocked_quantity > 0,
                         r.amount_fen)::text AS said
                  FROM mall_refund_line r JOIN mall_order_line l ON l.id = r.line_id) r
            FULL JOIN (
                SELECT (t.payload ->> 'refund_id')::uuid AS refund_id, (l ->> 'line_id')::uuid AS line_id,
                       ((l ->> 'sku_id')::uuid, (l ->> 'goods_paid_fen')::bigint, (l ->> 'quantity')::int,
                        (l ->> 'restocked')::boolean, (l ->> 'amount_fen')::bigint)::text AS said
                FROM told t CROSS JOIN jsonb_array_elements(t.payload -> 'lines') AS l WHERE t.type = :refund_agreed
            ) f USING (refund_id, line_id)
            WHERE r.said IS DISTINCT FROM f.said""",
        "line {line_id} of refund {id} tells of {was} refunded before, by the other events it is {due}": """
            SELECT id, line_id, was, due FROM (
                SELECT (t.payload ->> 'refund_id')::uuid AS id, l.line_id, l.before_fen AS was,
                       sum(l.amount_fen) OVER (PARTITION BY l.line_id ORDER BY l.before_fen, l.amount_fen
                                               ROWS UNBOUNDED PRECEDING) - l.amount_fen AS due
                FROM told t CROSS JOIN LATERAL (
                    SELECT (line ->> 'line_id')::uuid AS line_id, (line ->> 'amount_fen')::bigint AS amount_fen,
                           (line ->> 'refunded_before_fen')::bigint AS before_fen
                    FROM jsonb_array_elements(t.payload -> 'lines') AS line) l
                WHERE t.type = :refund_agreed) AS chain
            WHERE was <> due""",
        "line {id} is credited as {due}, a RefundAgreed event tells of {was}": attribution.credits_told_wrong(
            "refund_agreed"
        ),
        "refund {id} is paid out with {due}, RefundPaid events tell of {was}": """
            SELECT coalesce(r.id, f.id) AS id, coalesce(f.fen, 0) AS was, coalesce(r.amount_fen, 0) AS due
            FROM (SELECT id, amount_fen FROM mall_refund WHERE status = 'paid' AND amount_fen > 0) r
            FULL JOIN (
                SELECT (payload ->> 'refund_id')::uuid AS id, sum((payload ->> 'amount_fen')::bigint) AS fen FROM told
                WHERE type = :refund_paid GROUP BY 1
            ) f ON f.id = r.id
            WHERE r.amount_fen IS DISTINCT FROM f.fen""",
    },
    told=True,
    applied_by="consumer",
)


async def audit(session: Session) -> list[str]:
    """Orders and lines equal their refunds, refunds equal what payments sends, and each agreement and payment is told once."""
    return await breaches_of(
        session,
        _CHECKS,
        consumer=FOLLOW_REFUNDS.name,
        refund_succeeded=RefundSucceeded.type_name(),
        refund_stuck=RefundStuck.type_name(),
        refund_agreed=RefundAgreed.type_name(),
        refund_paid=RefundPaid.type_name(),
    )
