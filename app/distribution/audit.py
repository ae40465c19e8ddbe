"""The invariants of distribution: each event has its commission and its link's sale, each of these its event, and the money
of each commission is held by payees."""

from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.distribution.commissions import CONSUMER, SOURCE
from app.distribution.events import CommissionClawedBack, CommissionHeld
from app.distribution.rules import DEFAULT_TERMS
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid

# The events that the consumer has applied.
_SEEN = """
WITH seen AS (
    SELECT e.type, e.payload FROM event e
    WHERE e.type IN (:paid, :refunded) AND e.seq <= coalesce((SELECT seq FROM event_cursor WHERE consumer = :consumer), 0)
      AND NOT EXISTS (SELECT 1 FROM event_dead_letter d
                      WHERE d.consumer = :consumer AND d.seq = e.seq AND d.resolved_at IS NULL)
)"""

_OF_EVENTS = checks(
    {
        "commission of line {line_id} level {level} is {was}, the events and terms say {due}": f"""{_SEEN}, refunds AS (
                SELECT (l ->> 'line_id')::uuid AS line_id, sum((l ->> 'amount_fen')::bigint)::bigint AS refunded_fen
                FROM seen s, jsonb_array_elements(s.payload -> 'lines') AS l WHERE s.type = :refunded GROUP BY 1
            ), lines AS (
                SELECT (s.payload ->> 'order_id')::uuid AS order_id, s.payload ->> 'book' AS book,
                       (l ->> 'line_id')::uuid AS line_id, (l ->> 'goods_paid_fen')::bigint AS base_fen,
                       (l -> 'credit' ->> 'distributor_id')::uuid AS distributor_id,
                       (l -> 'credit' ->> 'upline_id')::uuid AS upline_id,
                       t.id AS terms_id, coalesce(t.level1_bps, :level1_bps) AS level1_bps,
                       coalesce(t.level2_bps, :level2_bps) AS level2_bps
                FROM seen s
                CROSS JOIN jsonb_array_elements(s.payload -> 'lines') AS l
                LEFT JOIN LATERAL (
                    SELECT id, level1_bps, level2_bps FROM distribution_terms
                    WHERE valid_from <= (s.payload ->> 'placed_at')::timestamptz ORDER BY valid_from DESC, id DESC LIMIT 1
                ) t ON true
                WHERE s.type = :paid AND l -> 'credit' ->> 'distributor_id' IS NOT NULL
            ), due AS (
                SELECT l.line_id, x.level,
                       (l.order_id, x.distributor_id, l.book, l.base_fen, x.rate_bps, x.amount_fen,
                        x.amount_fen - ((l.base_fen - coalesce(r.refunded_fen, 0)) * x.rate_bps + 5000) / 10000,
                        coalesce(r.refunded_fen, 0), l.terms_id)::text AS said
                FROM lines l
                CROSS JOIN LATERAL (
                    SELECT level, distributor_id, rate_bps, (l.base_fen * rate_bps + 5000) / 10000 AS amount_fen
                    FROM (VALUES (1, l.distributor_id, l.level1_bps), (2, l.upline_id, l.level2_bps))
                        AS v(level, distributor_id, rate_bps)
                ) x
                LEFT JOIN refunds r USING (line_id)
                WHERE x.distributor_id IS NOT NULL AND x.amount_fen > 0
            ), written AS (
                SELECT line_id, level, (order_id, distributor_id, book, base_fen, rate_bps, amount_fen, clawed_back_fen,
                                        refunded_fen, terms_id)::text AS said
                FROM distribution_commission
            )
            SELECT line_id, level, coalesce(w.said, 'none') AS was, coalesce(d.said, 'none') AS due
            FROM due d FULL JOIN written w USING (line_id, level) WHERE d.said IS DISTINCT FROM w.said""",
        "line {line_id} is {was} as a link's sale, the events say {due}": f"""{_SEEN}, due AS (
                SELECT (l ->> 'line_id')::uuid AS line_id,
                       ((s.payload ->> 'order_id')::uuid, (l -> 'credit' ->> 'touchpoint_id')::uuid,
                        (l ->> 'goods_paid_fen')::bigint)::text AS said
                FROM seen s CROSS JOIN jsonb_array_elements(s.payload -> 'lines') AS l
                WHERE s.type = :paid AND l -> 'credit' ->> 'distributor_id' IS NOT NULL
                  AND l -> 'credit' ->> 'touchpoint_id' IS NOT NULL
            ), written AS (
                SELECT line_id, (order_id, touchpoint_id, goods_paid_fen)::text AS said
                FROM distribution_link_sale
            )
            SELECT line_id, coalesce(w.said, 'nothing') AS was, coalesce(d.said, 'nothing') AS due
            FROM due d FULL JOIN written w USING (line_id) WHERE d.said IS DISTINCT FROM w.said""",
        "link {id} shows {was}, its sales come to {due}": """
            SELECT coalesce(t.touchpoint_id, s.touchpoint_id) AS id, coalesce((t.orders, t.paid_fen)::text, 'nothing') AS was,
                   coalesce((s.orders, s.paid_fen)::text, 'nothing') AS due
            FROM distribution_link_total t
            FULL JOIN (SELECT touchpoint_id, count(DISTINCT order_id)::int AS orders, sum(goods_paid_fen)::bigint AS paid_fen
                       FROM distribution_link_sale GROUP BY touchpoint_id) s USING (touchpoint_id)
            WHERE (t.orders, t.paid_fen) IS DISTINCT FROM (s.orders, s.paid_fen)""",
        "{was} of commission {id} was taken back for {reason_id}, which is no refund of its line": f"""{_SEEN}, refunds AS (
                SELECT (s.payload ->> 'refund_id')::uuid AS refund_id, (l ->> 'line_id')::uuid AS line_id
                FROM seen s, jsonb_array_elements(s.payload -> 'lines') AS l WHERE s.type = :refunded
            )
            SELECT h.source_id AS id, t.reason_id, t.amount_fen AS was
            FROM payees_clawback t JOIN payees_hold h ON h.id = t.hold_id AND h.source = :source
            LEFT JOIN distribution_commission c ON c.id = h.source_id
            LEFT JOIN refunds r ON r.refund_id = t.reason_id AND r.line_id = c.line_id
            WHERE r.refund_id IS NULL""",
    }
)

_OF_MONEY = checks(
    {
        "commission {id} is {was}, its hold is {due}": """
            SELECT coalesce(c.id, h.id) AS id, coalesce(c.said, 'none') AS was, coalesce(h.said, 'none') AS due
            FROM (SELECT id, (distributor_id, book, amount_fen, clawed_back_fen)::text AS said
                  FROM distribution_commission) c
            FULL JOIN (SELECT source_id AS id, (payee_id, book, amount_fen, clawed_back_fen)::text AS said
                       FROM payees_hold WHERE source = :source) h USING (id)
            WHERE c.said IS DISTINCT FROM h.said""",
        "commission {id} is {was}, its own events tell of {due}": """
            SELECT coalesce(c.id, e.id) AS id, coalesce(c.said, 'none') AS was, coalesce(e.said, 'none') AS due
            FROM (SELECT id, (amount_fen, clawed_back_fen)::text AS said FROM distribution_commission) c
            FULL JOIN (
                SELECT (payload ->> 'commission_id')::uuid AS id,
                       (coalesce(sum((payload ->> 'amount_fen')::bigint) FILTER (WHERE type = :held), 0)::bigint,
                        coalesce(sum((payload ->> 'amount_fen')::bigint) FILTER (WHERE type = :clawed_back), 0)::bigint
                       )::text AS said
                FROM told WHERE type IN (:held, :clawed_back) GROUP BY 1
            ) e USING (id)
            WHERE c.said IS DISTINCT FROM e.said""",
    },
    told=True,
)


async def audit(session: Session) -> list[str]:
    """Commissions are what events and the terms of their day say, less what refunds took; sales of links are what events
    say; each commission is its hold and was told once."""
    return await breaches_of(
        session,
        [*_OF_EVENTS, *_OF_MONEY],
        consumer=CONSUMER,
        source=SOURCE,
        paid=OrderPaid.type_name(),
        refunded=RefundAgreed.type_name(),
        held=CommissionHeld.type_name(),
        clawed_back=CommissionClawedBack.type_name(),
        level1_bps=DEFAULT_TERMS.level1_bps,
        level2_bps=DEFAULT_TERMS.level2_bps,
    )
