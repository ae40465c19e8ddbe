"""Invariants of tips and takings, against payments, ledger and log."""

from typing import Any

from app.core.audits import A_MOMENT_BEFORE, breaches_of, checks
from app.core.db import Session
from app.ledger import Account
from app.live import takings, tips
from app.live.events import TipPaid, TipRefunded
from app.live.tip_rules import TIP_RULES
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid

_TOLD = checks(
    {
        "tip {id} is paid with {due}, TipPaid events tell of {was}": """
            SELECT coalesce(t.id, f.stream) AS id, coalesce(f.fen, 0) AS was, coalesce(t.amount_fen, 0) AS due
            FROM (SELECT id, amount_fen FROM live_tip WHERE host_fen IS NOT NULL) t
            FULL JOIN (SELECT stream, sum((payload ->> 'amount_fen')::bigint) AS fen FROM told
                       WHERE type = :tip_paid GROUP BY stream) f ON f.stream = t.id
            WHERE t.amount_fen IS DISTINCT FROM f.fen""",
        "tip {id} is {due}, its TipPaid event tells of {was}": """
            SELECT coalesce(t.id, f.id) AS id, coalesce(f.said, 'nothing') AS was, coalesce(t.said, 'nothing') AS due
            FROM (SELECT id, (room_id, host_id, store_id, customer_id, book, placed_at, paid_at, host_fen, store_fen, brand_fen,
                              store_is_payee)::text AS said
                  FROM live_tip WHERE host_fen IS NOT NULL) t
            FULL JOIN (
                SELECT stream AS id,
                       ((payload ->> 'room_id')::uuid, (payload ->> 'host_id')::uuid, (payload ->> 'store_id')::uuid,
                        (payload ->> 'customer_id')::uuid, payload ->> 'book', (payload ->> 'placed_at')::timestamptz,
                        (payload ->> 'paid_at')::timestamptz, (payload ->> 'host_fen')::bigint,
                        (payload ->> 'store_fen')::bigint, (payload ->> 'brand_fen')::bigint,
                        coalesce((payload ->> 'store_is_payee')::boolean, true))::text AS said
                FROM told WHERE type = :tip_paid
            ) f ON f.id = t.id
            WHERE t.said IS DISTINCT FROM f.said""",
        "tip {id} was refunded by staff as {due}, its TipRefunded event tells of {was}": """
            SELECT coalesce(t.id, f.id) AS id, coalesce(f.said, 'nothing') AS was, coalesce(t.said, 'nothing') AS due
            FROM (SELECT id, (refund_id, room_id, host_id, store_id, customer_id, book, amount_fen, host_fen, store_fen, brand_fen,
                              store_is_payee)::text AS said
                  FROM live_tip WHERE refunded_by IS NOT NULL) t
            FULL JOIN (
                SELECT stream AS id,
                       ((payload ->> 'refund_id')::uuid, (payload ->> 'room_id')::uuid, (payload ->> 'host_id')::uuid,
                        (payload ->> 'store_id')::uuid, (payload ->> 'customer_id')::uuid, payload ->> 'book',
                        (payload ->> 'amount_fen')::bigint, (payload ->> 'host_fen')::bigint,
                        (payload ->> 'store_fen')::bigint, (payload ->> 'brand_fen')::bigint,
                        (payload ->> 'store_is_payee')::boolean)::text AS said
                FROM told WHERE type = :tip_refunded
            ) f ON f.id = t.id
            WHERE t.said IS DISTINCT FROM f.said""",
        "tip {id} was divided {was}, by its rule it is {due}": f"""
            WITH tip AS (
                SELECT stream AS id, (payload ->> 'amount_fen')::bigint AS fen, (payload ->> 'host_fen')::bigint AS host,
                       (payload ->> 'store_fen')::bigint AS store, (payload ->> 'brand_fen')::bigint AS brand,
                       (payload ->> 'placed_at')::timestamptz AS placed_at
                FROM told WHERE type = :tip_paid
            ), due AS (
                SELECT t.id, t.host, t.store, t.brand, d.host AS due_host, d.store AS due_store,
                       t.fen - d.host - d.store AS due_brand, moment.certain
                FROM tip t
                CROSS JOIN (VALUES (false), (true)) AS moment(certain)
                LEFT JOIN LATERAL (
                    SELECT host_bps, store_bps FROM live_tip_rule
                    WHERE valid_from <= t.placed_at - CASE WHEN moment.certain THEN {A_MOMENT_BEFORE} ELSE '0' END
                    ORDER BY valid_from DESC, id DESC LIMIT 1
                ) r ON true
                CROSS JOIN LATERAL (
                    SELECT t.fen * coalesce(r.host_bps, :host_bps) AS host, t.fen * coalesce(r.store_bps, :store_bps) AS store
                ) exact
                CROSS JOIN LATERAL (
                    SELECT exact.host % 10000 AS host, exact.store % 10000 AS store,
                           (t.fen * 10000 - exact.host - exact.store) % 10000 AS brand
                ) rest
                CROSS JOIN LATERAL (SELECT (rest.host + rest.store + rest.brand) / 10000 AS many) left_over
                -- money.split: what is left over goes to the largest remainders, of equal ones to the earlier
                CROSS JOIN LATERAL (
                    SELECT exact.host / 10000
                           + ((rest.store > rest.host)::int + (rest.brand > rest.host)::int < left_over.many)::int AS host,
                           exact.store / 10000
                           + ((rest.host >= rest.store)::int + (rest.brand > rest.store)::int < left_over.many)::int AS store
                ) d
            )
            SELECT id, (array_agg(concat_ws('/', host, store, brand)))[1] AS was,
                   string_agg(DISTINCT concat_ws('/', due_host, due_store, due_brand), ' or ') AS due
            FROM due GROUP BY id HAVING NOT bool_or((host, store, brand) = (due_host, due_store, due_brand))""",
    },
    told=True,
)


_CHECKS = checks(
    {
        "tip {id} brought {was}, settled charges that were not sent back by themselves say {due}": """
            SELECT coalesce(t.id, c.subject_id) AS id, coalesce(t.amount_fen || ' by ' || t.charge_id, 'nothing') AS was,
                   coalesce(c.amount_fen || ' by ' || c.id || ' for ' || c.subject_id, 'nothing') AS due
            FROM (SELECT id, amount_fen, charge_id FROM live_tip WHERE status IN ('paid', 'refunded')) t
            FULL JOIN (
                SELECT c.id, c.subject_id, c.amount_fen FROM payments_charge c
                WHERE c.subject_kind = :tip AND c.status = 'settled' AND NOT EXISTS (
                    SELECT 1 FROM payments_refund r WHERE r.charge_id = c.id AND r.kind <> 'agreed'
                      AND NOT EXISTS (SELECT 1 FROM live_tip t WHERE t.charge_id = c.id))
            ) c ON c.id = t.charge_id
            WHERE (t.id, t.amount_fen) IS DISTINCT FROM (c.subject_id, c.amount_fen)""",
        "charge {id} asks for {was} from its payer, its tip is for {due}": """
            SELECT c.id, (c.amount_fen, c.book, i.customer_id)::text AS was,
                   (t.amount_fen, t.book, t.customer_id)::text AS due
            FROM payments_charge c
            LEFT JOIN customers_identity i ON i.kind = 'openid' AND i.appid = c.appid AND i.value = c.payer_openid
            LEFT JOIN live_tip t ON t.id = c.subject_id
            WHERE c.subject_kind = :tip
              AND (c.amount_fen, c.book, i.customer_id) IS DISTINCT FROM (t.amount_fen, t.book, t.customer_id)""",
        "tip {id} is refunded by {due}, its charge has {was}": """
            SELECT t.id, t.refund_id AS due, coalesce(r.amount_fen || ' by ' || r.id, 'no refund') AS was FROM live_tip t
            LEFT JOIN payments_refund r ON r.charge_id = t.charge_id
            WHERE t.status = 'refunded' AND (r.id, r.amount_fen) IS DISTINCT FROM (t.refund_id, t.amount_fen)""",
        "tip {id} is unpaid a day after its time was over": """
            SELECT id FROM live_tip WHERE status = 'unpaid' AND expires_at < statement_timestamp() - interval '1 day'""",
    }
)

_ALLOTTED = checks(
    {
        "tip {id} posted {was} to {account} of {owner} in {book}, by its event it is {due}": """
            WITH part AS (
                SELECT (e.payload ->> 'tip_id')::uuid AS id, e.payload ->> 'book' AS book, p.account, p.owner,
                       CASE e.type WHEN :tip_paid THEN p.fen ELSE -p.fen END AS fen
                FROM applied e
                CROSS JOIN LATERAL (SELECT coalesce((e.payload ->> 'store_is_payee')::boolean, true) AS is_payee) s
                CROSS JOIN LATERAL (VALUES
                    (CAST(:held AS text), (e.payload ->> 'host_id')::uuid, (e.payload ->> 'host_fen')::bigint),
                    (CASE WHEN s.is_payee THEN CAST(:held AS text) ELSE :kept END,
                     CASE WHEN s.is_payee THEN (e.payload ->> 'store_id')::uuid END, (e.payload ->> 'store_fen')::bigint),
                    (CAST(:kept AS text), NULL, (e.payload ->> 'brand_fen')::bigint)
                ) AS p (account, owner, fen)
                WHERE e.type IN (:tip_paid, :tip_refunded)
            ), posted AS (
                SELECT l.subject AS id, l.book, l.account, l.owner, -l.amount_fen AS fen
                FROM ledger_transfer t JOIN ledger_entry l ON l.transfer_id = t.id
                WHERE t.kind = ANY(:allotments) AND l.account <> :unallotted
            )
            SELECT id, book, account, coalesce(owner::text, 'the brand') AS owner, sum(was) AS was, sum(due) AS due
            FROM (SELECT id, book, account, owner, 0 AS was, fen AS due FROM part
                  UNION ALL SELECT id, book, account, owner, fen, 0 FROM posted) AS both_sides
            GROUP BY id, book, account, owner HAVING sum(was) <> sum(due)""",
        "tip {id} has {was} in {book} that is nobody's yet, it should be {due}": """
            SELECT coalesce(t.id, e.subject) AS id, coalesce(t.book, e.book) AS book, coalesce(e.fen, 0) AS was,
                   coalesce(t.fen, 0) AS due
            FROM (SELECT t.id, t.book,
                         t.amount_fen * ((a.stream IS NULL)::int - (t.refunded_by IS NOT NULL)::int + (b.stream IS NOT NULL)::int)
                         AS fen
                  FROM live_tip t
                  LEFT JOIN applied a ON a.stream = t.id AND a.type = :tip_paid
                  LEFT JOIN applied b ON b.stream = t.id AND b.type = :tip_refunded
                  WHERE t.host_fen IS NOT NULL) t
            FULL JOIN (SELECT subject, book, -sum(amount_fen) AS fen FROM ledger_entry WHERE account = :unallotted
                       GROUP BY subject, book) e ON e.subject = t.id AND e.book = t.book
            WHERE coalesce(e.fen, 0) <> coalesce(t.fen, 0)""",
    },
    applied_by="tips_consumer",
)

_BROUGHT = checks(
    {
        "room {id} was brought {was} by {kind} {source}, by the events it is {due}": """
            WITH due AS (
                SELECT (payload ->> 'room_id')::uuid AS room_id, 'tip' AS kind, (payload ->> 'tip_id')::uuid AS source_id,
                       (payload ->> 'amount_fen')::bigint AS fen
                FROM applied WHERE type = :tip_paid
                UNION ALL
                SELECT (payload ->> 'room_id')::uuid, 'tip_refund', (payload ->> 'refund_id')::uuid,
                       -(payload ->> 'amount_fen')::bigint
                FROM applied WHERE type = :tip_refunded
                UNION ALL
                SELECT (line -> 'credit' ->> 'room_id')::uuid, 'order', (payload ->> 'order_id')::uuid,
                       (line ->> 'goods_paid_fen')::bigint
                FROM applied, jsonb_array_elements(payload -> 'lines') AS line WHERE type = :order_paid
                UNION ALL
                SELECT (line -> 'credit' ->> 'room_id')::uuid, 'refund', (payload ->> 'refund_id')::uuid,
                       -(line ->> 'amount_fen')::bigint
                FROM applied, jsonb_array_elements(payload -> 'lines') AS line WHERE type = :refund_agreed
            )
            SELECT room_id AS id, kind, source_id AS source, sum(was) AS was, sum(due) AS due
            FROM (SELECT room_id, kind, source_id, 0 AS was, fen AS due FROM due WHERE room_id IS NOT NULL
                  UNION ALL SELECT room_id, kind, source_id, amount_fen, 0 FROM live_taking) AS both_sides
            GROUP BY room_id, kind, source_id HAVING sum(was) <> sum(due)""",
    },
    applied_by="takings_consumer",
)


async def audit(session: Session) -> list[str]:
    """Tips equal their charges, refunds and events; each part of a tip is posted to whom its event says; takings are what
    the events say, source by source."""
    values: dict[str, Any] = {
        "tip": tips.COLLECTOR.kind,
        "tip_paid": TipPaid.type_name(),
        "tip_refunded": TipRefunded.type_name(),
        "order_paid": OrderPaid.type_name(),
        "refund_agreed": RefundAgreed.type_name(),
        "host_bps": TIP_RULES.default.host_bps,
        "store_bps": TIP_RULES.default.store_bps,
        "tips_consumer": tips.CONSUMER,
        "takings_consumer": takings.CONSUMER,
        "allotments": [tips.HELD, tips.KEPT, tips.CLAWED_BACK, tips.KEPT_BACK],
        "held": Account.PAYEE_HELD,
        "kept": Account.OTHER_INCOME,
        "unallotted": Account.TIPS_UNALLOTTED,
    }
    return await breaches_of(session, [*_TOLD, *_CHECKS, *_ALLOTTED, *_BROUGHT], **values)
