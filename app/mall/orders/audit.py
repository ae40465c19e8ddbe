"""Invariants of orders, and of orders against stock, payments, ledger and log."""

from app import attribution
from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.ledger import Account
from app.mall.orders.events import OrderClosed, OrderPaid
from app.mall.orders.payment import COLLECTOR

_CHECKS = checks(
    {
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
            FROM (SELECT id, paid_fen, transaction_id, mchid, charge_id FROM mall_order WHERE status = 'paid') o
            FULL JOIN (
                SELECT c.id, c.subject_id, c.amount_fen, c.transaction_id, c.mchid FROM payments_charge c
                WHERE c.subject_kind = :kind AND c.status = 'settled' AND NOT EXISTS (
                    SELECT 1 FROM payments_refund r WHERE r.charge_id = c.id AND r.kind <> 'agreed')
            ) c ON c.id = o.charge_id
            WHERE (o.id, o.paid_fen, o.transaction_id, o.mchid)
                  IS DISTINCT FROM (c.subject_id, c.amount_fen, c.transaction_id, c.mchid)""",
        "charge {id} asks for {was} from its payer, its order is for {due}": """
            SELECT c.id, (c.amount_fen, c.book, i.customer_id)::text AS was,
                   (o.payable_fen, o.book, o.customer_id)::text AS due
            FROM payments_charge c
            LEFT JOIN customers_identity i ON i.kind = 'openid' AND i.appid = c.appid AND i.value = c.payer_openid
            LEFT JOIN mall_order o ON o.id = c.subject_id
            WHERE c.subject_kind = :kind
              AND (c.amount_fen, c.book, i.customer_id) IS DISTINCT FROM (o.payable_fen, o.book, o.customer_id)""",
        "order {id} has no charge": """
            SELECT o.id FROM mall_order o LEFT JOIN payments_charge c ON c.subject_id = o.id AND c.subject_kind = :kind
            WHERE c.id IS NULL""",
        "order {id} says that {was} went back by itself, such refunds come to {due}": """
            SELECT o.id, o.sent_back_fen AS was, coalesce(r.fen, 0) AS due FROM mall_order o
            LEFT JOIN (SELECT c.subject_id, sum(r.amount_fen) AS fen
                       FROM payments_refund r JOIN payments_charge c ON c.id = r.charge_id
                       WHERE r.kind <> 'agreed' GROUP BY c.subject_id) r ON r.subject_id = o.id
            WHERE o.sent_back_fen <> coalesce(r.fen, 0)""",
        "order {id} holds {was} of customer_prepaid in {book}, it should be {due}": """
            SELECT coalesce(o.id, e.subject) AS id, coalesce(o.book, e.book) AS book, coalesce(e.fen, 0) AS was,
                   coalesce(o.fen, 0) AS due
            FROM (SELECT id, book, paid_fen - refunded_fen AS fen FROM mall_order) o
            FULL JOIN (SELECT subject, book, -sum(amount_fen) AS fen FROM ledger_entry WHERE account = :customer_prepaid
                       GROUP BY subject, book) e ON e.subject = o.id AND e.book = o.book
            WHERE coalesce(e.fen, 0) <> coalesce(o.fen, 0)""",
        "line {id} was sold for {was}, list price times quantity less its discounts is {due}": """
            SELECT id, was, due FROM (
                SELECT id, goods_paid_fen AS was, list_fen * quantity - (
                    SELECT coalesce(sum((d ->> 'amount_fen')::bigint), 0) FROM jsonb_array_elements(discounts) AS d) AS due
                FROM mall_order_line) AS line
            WHERE was <> due""",
        "order {id}: its lines' goods paid come to {was}, goods less discounts are {due}": """
            SELECT o.id, coalesce(sum(l.goods_paid_fen), 0) AS was, o.goods_fen - o.discount_fen AS due FROM mall_order o
            LEFT JOIN mall_order_line l ON l.order_id = o.id GROUP BY o.id
            HAVING count(l.id) = 0 OR sum(l.goods_paid_fen) <> o.goods_fen - o.discount_fen""",
        "order {id} is paid with {due}, OrderPaid events tell of {was}": """
            SELECT coalesce(o.id, f.stream) AS id, coalesce(f.fen, 0) AS was, coalesce(o.paid_fen, 0) AS due
            FROM (SELECT id, paid_fen FROM mall_order WHERE status = 'paid') o
            FULL JOIN (SELECT stream, sum((payload ->> 'paid_fen')::bigint) AS fen FROM told
                       WHERE type = :order_paid GROUP BY stream) f ON f.stream = o.id
            WHERE o.paid_fen IS DISTINCT FROM f.fen""",
        "order {id} was sold as {due}, its OrderPaid event tells of {was}": """
            SELECT coalesce(o.id, f.id) AS id, coalesce(f.said, 'nothing') AS was, coalesce(o.said, 'nothing') AS due
            FROM (SELECT id, (customer_id, book, place_id, scope_path, placed_at, paid_at, goods_fen, freight_fen)::text
                         AS said
                  FROM mall_order WHERE status = 'paid') o
            FULL JOIN (
                SELECT stream AS id,
                       ((payload ->> 'customer_id')::uuid, payload ->> 'book', (payload ->> 'place_id')::uuid,
                        payload ->> 'scope_path', (payload ->> 'placed_at')::timestamptz,
                        (payload ->> 'paid_at')::timestamptz, (payload ->> 'goods_fen')::bigint,
                        (payload ->> 'freight_fen')::bigint)::text AS said
                FROM told WHERE type = :order_paid
            ) f ON f.id = o.id
            WHERE o.said IS DISTINCT FROM f.said""",
        "order {id} is {due}, {was} OrderClosed events tell of it": """
            SELECT coalesce(o.id, f.stream) AS id, coalesce(f.told, 0) AS was, coalesce(o.status, 'unknown') AS due
            FROM mall_order o
            FULL JOIN (SELECT stream, count(*) AS told FROM told WHERE type = :order_closed GROUP BY stream) f
                ON f.stream = o.id
            WHERE CASE o.status WHEN 'closed' THEN f.told IS DISTINCT FROM 1
                                WHEN 'paid' THEN f.told > 1 ELSE f.told > 0 END""",
        "line {id} is {due}, its OrderPaid event tells of {was}": """
            SELECT coalesce(l.id, f.id) AS id, coalesce(f.said, 'nothing') AS was, coalesce(l.said, 'nothing') AS due
            FROM (SELECT l.id, (l.order_id, l.sku_id, l.quantity, l.goods_paid_fen)::text AS said
                  FROM mall_order_line l JOIN mall_order o ON o.id = l.order_id WHERE o.status = 'paid') l
            FULL JOIN (
                SELECT (l ->> 'line_id')::uuid AS id,
                       (t.stream, l ->> 'sku_id', l ->> 'quantity', l ->> 'goods_paid_fen')::text AS said
                FROM told t CROSS JOIN jsonb_array_elements(t.payload -> 'lines') AS l WHERE t.type = :order_paid
            ) f ON f.id = l.id
            WHERE l.said IS DISTINCT FROM f.said""",
        "line {id} is credited as {due}, its OrderPaid event tells of {was}": attribution.credits_told_wrong(
            "order_paid"
        ),
        "order {id} is unpaid a day after its time was over": """
            SELECT id FROM mall_order WHERE status = 'unpaid' AND expires_at < statement_timestamp() - interval '1 day'""",
        "line {id} is of order {due}, its frozen credit is of {was}": """
            SELECT coalesce(l.id, a.line_id) AS id, coalesce(l.order_id::text, 'none') AS due,
                   coalesce(a.order_id::text, 'none') AS was
            FROM mall_order_line l FULL JOIN attribution_line a ON a.line_id = l.id
            WHERE l.order_id IS DISTINCT FROM a.order_id""",
    },
    told=True,
)


async def audit(session: Session) -> list[str]:
    """Stock equals orders, orders equal charges and books, lines add up and have their frozen credit, each payment and
    closing is told once and as it is, and no order is forgotten."""
    return await breaches_of(
        session,
        _CHECKS,
        order_paid=OrderPaid.type_name(),
        order_closed=OrderClosed.type_name(),
        customer_prepaid=Account.CUSTOMER_PREPAID,
        kind=COLLECTOR.kind,
    )
