"""The invariants of distribution: each event has its commission and its link's sale, each of these its event, and the money
of each commission is held by payees."""

from app.core.audits import A_MOMENT_BEFORE, breaches_of, checks
from app.core.db import Session
from app.distribution.commissions import CONSUMER, SOURCE
from app.distribution.events import CommissionClawedBack, CommissionHeld
from app.distribution.rules import DEFAULT_TERMS
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid

_NEWEST_TERMS = """SELECT id, valid_from FROM distribution_terms WHERE valid_from <= {moment}
                   ORDER BY valid_from DESC, id DESC LIMIT 1"""
_A_MOMENT_BEFORE_PLACED = f"(s.payload ->> 'placed_at')::timestamptz - {A_MOMENT_BEFORE}"

_OF_EVENTS = checks(
    {
        "commission of line {line_id} level {level} is {was}, the events and terms say {due}": f"""
            WITH refunds AS (
                SELECT (l ->> 'line_id')::uuid AS line_id, sum((l ->> 'amount_fen')::bigint)::bigint AS refunded_fen
                FROM applied s, jsonb_array_elements(s.payload -> 'lines') AS l WHERE s.type = :refunded GROUP BY 1
            ), own AS (
                SELECT DISTINCT ON (line_id) line_id, terms_id FROM distribution_commission ORDER BY line_id, terms_id
            ), lines AS (
                SELECT (s.payload ->> 'order_id')::uuid AS order_id, s.payload ->> 'book' AS book,
                       (l ->> 'line_id')::uuid AS line_id, (l ->> 'goods_paid_fen')::bigint AS base_fen,
                       (l -> 'credit' ->> 'distributor_id')::uuid AS distributor_id,
                       (l -> 'credit' ->> 'upline_id')::uuid AS upline_id,
                       (s.payload ->> 'paid_at')::timestamptz AS paid_at,
                       t.id AS terms_id, coalesce(t.level1_bps, :level1_bps) AS level1_bps,
                       coalesce(t.level2_bps, :level2_bps) AS level2_bps
                FROM applied s
                CROSS JOIN jsonb_array_elements(s.payload -> 'lines') AS l
                LEFT JOIN own ON own.line_id = (l ->> 'line_id')::uuid
                LEFT JOIN LATERAL ({_NEWEST_TERMS.format(moment="(s.payload ->> 'placed_at')::timestamptz")}) n ON true
                LEFT JOIN LATERAL ({_NEWEST_TERMS.format(moment=_A_MOMENT_BEFORE_PLACED)}) certain ON true
                LEFT JOIN distribution_terms t ON t.id = CASE WHEN own.line_id IS NULL THEN n.id ELSE own.terms_id END
                WHERE s.type = :paid AND l -> 'credit' ->> 'distributor_id' IS NOT NULL
                  AND (own.line_id IS NOT NULL OR n.id IS NOT DISTINCT FROM certain.id)
            ), due AS (
                SELECT l.line_id, x.level,
                       (l.order_id, x.distributor_id, l.book, l.base_fen, x.rate_bps, x.amount_fen,
                        x.amount_fen - ((l.base_fen - coalesce(r.refunded_fen, 0)) * x.rate_bps + 5000) / 10000,
                        coalesce(r.refunded_fen, 0), l.terms_id, l.paid_at)::text AS said
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
                                        refunded_fen, terms_id, paid_at)::text AS said
                FROM distribution_commission
            )
            SELECT line_id, level, coalesce(w.said, 'none') AS was, coalesce(d.said, 'none') AS due
            FROM due d FULL JOIN written w USING (line_id, level) WHERE d.said IS DISTINCT FROM w.said""",
        "commission {id} was earned by terms {was}, not by {due}": f"""
            SELECT c.id, coalesce(c.terms_id::text, 'the default') AS was, coalesce(n.id::text, 'the default') AS due
            FROM (SELECT payload ->> 'order_id' AS order_id, (payload ->> 'placed_at')::timestamptz AS placed_at
                  FROM applied WHERE type = :paid) o
            JOIN distribution_commission c ON c.order_id = o.order_id::uuid
            LEFT JOIN distribution_terms t ON t.id = c.terms_id
            LEFT JOIN LATERAL ({_NEWEST_TERMS.format(moment=f"o.placed_at - {A_MOMENT_BEFORE}")}) n ON true
            WHERE t.valid_from > o.placed_at OR n.valid_from > coalesce(t.valid_from, '-infinity')""",
        "line {line_id} is {was} as a link's sale, the events say {due}": """
            WITH due AS (
                SELECT (l ->> 'line_id')::uuid AS line_id,
                       ((s.payload ->> 'order_id')::uuid, (l -> 'credit' ->> 'touchpoint_id')::uuid,
                        (l ->> 'goods_paid_fen')::bigint)::text AS said
                FROM applied s CROSS JOIN jsonb_array_elements(s.payload -> 'lines') AS l
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
        "{was} of commission {id} was taken back for refund {refund_id}, the events say {due}": """
            WITH due AS (
                SELECT c.id, (a.payload ->> 'refund_id')::uuid AS refund_id,
                       (left_before.fen * c.rate_bps + 5000) / 10000
                       - ((left_before.fen - (l ->> 'amount_fen')::bigint) * c.rate_bps + 5000) / 10000 AS fen
                FROM applied a
                CROSS JOIN jsonb_array_elements(a.payload -> 'lines') AS l
                JOIN distribution_commission c ON c.line_id = (l ->> 'line_id')::uuid
                CROSS JOIN LATERAL (SELECT c.base_fen - (l ->> 'refunded_before_fen')::bigint AS fen) left_before
                WHERE a.type = :refunded
            ), taken AS (
                SELECT h.source_id AS id, t.reason_id AS refund_id, t.amount_fen AS fen
                FROM payees_clawback t JOIN payees_hold h ON h.id = t.hold_id AND h.source = :source
            )
            SELECT id, refund_id, coalesce(t.fen, 0) AS was, coalesce(d.fen, 0) AS due
            FROM due d FULL JOIN taken t USING (id, refund_id) WHERE coalesce(t.fen, 0) <> coalesce(d.fen, 0)""",
    },
    applied_by="consumer",
)

_OF_MONEY = checks(
    {
        "commission {id} is {was}, its hold is {due}": """
            SELECT coalesce(c.id, h.id) AS id, coalesce(c.said, 'none') AS was, coalesce(h.said, 'none') AS due
            FROM (SELECT c.id, (c.distributor_id, c.book, c.amount_fen, c.clawed_back_fen,
                                c.paid_at + make_interval(secs => coalesce(t.hold_s, :hold_s)))::text AS said
                  FROM distribution_commission c LEFT JOIN distribution_terms t ON t.id = c.terms_id) c
            FULL JOIN (SELECT source_id AS id, (payee_id, book, amount_fen, clawed_back_fen, releases_at)::text AS said
                       FROM payees_hold WHERE source = :source) h USING (id)
            WHERE c.said IS DISTINCT FROM h.said""",
        "commission {id} was held as {was}, its CommissionHeld event tells of {due}": """
            SELECT coalesce(c.id, e.id) AS id, coalesce(c.said, 'nothing') AS was, coalesce(e.said, 'nothing') AS due
            FROM (SELECT c.id, (c.distributor_id, c.order_id, c.line_id, c.level, c.book, c.base_fen, c.rate_bps, c.amount_fen,
                                h.releases_at)::text AS said
                  FROM distribution_commission c LEFT JOIN payees_hold h ON h.source = :source AND h.source_id = c.id) c
            FULL JOIN (
                SELECT stream AS id,
                       ((payload ->> 'distributor_id')::uuid, (payload ->> 'order_id')::uuid, (payload ->> 'line_id')::uuid,
                        (payload ->> 'level')::int, payload ->> 'book', (payload ->> 'base_fen')::bigint,
                        (payload ->> 'rate_bps')::int, (payload ->> 'amount_fen')::bigint,
                        (payload ->> 'releases_at')::timestamptz)::text AS said
                FROM told WHERE type = :held
            ) e USING (id)
            WHERE c.said IS DISTINCT FROM e.said""",
        "commission {id} was told to be held {was} times": """
            SELECT stream AS id, count(*) AS was FROM told WHERE type = :held GROUP BY stream HAVING count(*) > 1""",
        "{was} of commission {id} was taken back for refund {refund_id}, CommissionClawedBack events tell of {due}": """
            SELECT coalesce(c.id, e.id) AS id, coalesce(c.refund_id, e.refund_id) AS refund_id,
                   coalesce(c.said, 'nothing') AS was, coalesce(e.said, 'nothing') AS due
            FROM (SELECT c.id, t.reason_id AS refund_id,
                         (t.amount_fen, c.distributor_id, c.order_id, c.line_id, c.level, c.book)::text AS said
                  FROM payees_clawback t JOIN payees_hold h ON h.id = t.hold_id AND h.source = :source
                  JOIN distribution_commission c ON c.id = h.source_id) c
            FULL JOIN (
                SELECT stream AS id, (payload ->> 'refund_id')::uuid AS refund_id,
                       (sum((payload ->> 'amount_fen')::bigint)::bigint, (payload ->> 'distributor_id')::uuid,
                        (payload ->> 'order_id')::uuid, (payload ->> 'line_id')::uuid, (payload ->> 'level')::int,
                        payload ->> 'book')::text AS said
                FROM told WHERE type = :clawed_back
                GROUP BY stream, payload ->> 'refund_id', payload ->> 'distributor_id', payload ->> 'order_id',
                         payload ->> 'line_id', payload ->> 'level', payload ->> 'book'
            ) e USING (id, refund_id)
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
        hold_s=DEFAULT_TERMS.hold_s,
    )
