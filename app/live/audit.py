"""Invariants of tips and takings, against payments, ledger and log."""

from typing import Any

from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.ledger import Account
from app.live import takings, tips
from app.live.events import TipPaid
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid

_TOLD = checks(
    {
        "tip {id} is paid with {due}, TipPaid events tell of {was}": """
            SELECT coalesce(t.id, f.stream) AS id, coalesce(f.fen, 0) AS was, coalesce(t.amount_fen, 0) AS due
            FROM (SELECT id, amount_fen FROM live_tip WHERE status = 'paid') t
            FULL JOIN (SELECT stream, sum((payload ->> 'amount_fen')::bigint) AS fen FROM told
                       WHERE type = :tip_paid GROUP BY stream) f ON f.stream = t.id
            WHERE t.amount_fen IS DISTINCT FROM f.fen""",
    },
    told=True,
)


def _applied(consumer: str) -> str:
    """The events that a consumer, whose name is this parameter's value, has applied."""
    return f"""
        WITH applied AS (
            SELECT e.type, e.payload FROM event e JOIN event_cursor c ON c.consumer = :{consumer} AND e.seq <= c.seq
            WHERE e.type = ANY(:types) AND NOT EXISTS (
                SELECT 1 FROM event_dead_letter d
                WHERE d.consumer = c.consumer AND d.seq = e.seq AND d.resolved_at IS NULL)
        )"""


_CHECKS = checks(
    {
        "tip {id} brought {was}, settled charges that were not sent back by themselves say {due}": """
            SELECT coalesce(t.id, c.subject_id) AS id, coalesce(t.amount_fen || ' by ' || t.charge_id, 'nothing') AS was,
                   coalesce(c.amount_fen || ' by ' || c.id || ' for ' || c.subject_id, 'nothing') AS due
            FROM (SELECT id, amount_fen, charge_id FROM live_tip WHERE status IN ('paid', 'refunded')) t
            FULL JOIN (
                SELECT c.id, c.subject_id, c.amount_fen FROM payments_charge c
                WHERE c.subject_kind = :tip AND c.status = 'settled' AND NOT EXISTS (
                    SELECT 1 FROM payments_refund r WHERE r.charge_id = c.id AND r.amount_fen = c.amount_fen
                      AND NOT EXISTS (SELECT 1 FROM live_tip t WHERE t.charge_id = c.id))
            ) c ON c.id = t.charge_id
            WHERE (t.id, t.amount_fen) IS DISTINCT FROM (c.subject_id, c.amount_fen)""",
        "tip {id} is for {due}, its unsettled charge {charge} asks for {was}": """
            SELECT t.id, c.id AS charge, c.amount_fen AS was, t.amount_fen AS due
            FROM live_tip t JOIN payments_charge c ON c.subject_kind = :tip AND c.subject_id = t.id
            WHERE c.status <> 'settled' AND c.amount_fen <> t.amount_fen""",
        "tip {id} is refunded by {due}, its charge has {was}": """
            SELECT t.id, t.refund_id AS due, coalesce(r.amount_fen || ' by ' || r.id, 'no refund') AS was FROM live_tip t
            LEFT JOIN payments_refund r ON r.charge_id = t.charge_id
            WHERE t.status = 'refunded' AND (r.id, r.amount_fen) IS DISTINCT FROM (t.refund_id, t.amount_fen)""",
        "tip {id} is unpaid a day after its time was over": """
            SELECT id FROM live_tip WHERE status = 'unpaid' AND expires_at < statement_timestamp() - interval '1 day'""",
        "tip {id} posted {was} to {account} of {owner} in {book}, by its event it is {due}": f"""
            {_applied("tips_consumer")}, part AS (
                SELECT (e.payload ->> 'tip_id')::uuid AS id, e.payload ->> 'book' AS book, p.account, p.owner, p.fen
                FROM applied e CROSS JOIN LATERAL (VALUES
                    (CAST(:held AS text), (e.payload ->> 'host_id')::uuid, (e.payload ->> 'host_fen')::bigint),
                    (CAST(:held AS text), (e.payload ->> 'store_id')::uuid, (e.payload ->> 'store_fen')::bigint),
                    (CAST(:kept AS text), NULL, (e.payload ->> 'brand_fen')::bigint)
                ) AS p (account, owner, fen)
                WHERE e.type = :tip_paid
            ), posted AS (
                SELECT l.subject AS id, l.book, l.account, l.owner, -l.amount_fen AS fen
                FROM ledger_transfer t JOIN ledger_entry l ON l.transfer_id = t.id
                WHERE t.kind = ANY(:allotments) AND l.account <> :unallotted
            )
            SELECT id, book, account, coalesce(owner::text, 'the brand') AS owner, sum(was) AS was, sum(due) AS due
            FROM (SELECT id, book, account, owner, 0 AS was, fen AS due FROM part
                  UNION ALL SELECT id, book, account, owner, fen, 0 FROM posted) AS both_sides
            GROUP BY id, book, account, owner HAVING sum(was) <> sum(due)""",
        "tip {id} was allotted and still has {was} that is nobody's": """
            SELECT l.subject AS id, -sum(l.amount_fen) AS was FROM ledger_entry l
            WHERE l.account = :unallotted AND EXISTS (
                SELECT 1 FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
                WHERE e.subject = l.subject AND t.kind = ANY(:allotments))
            GROUP BY l.subject HAVING sum(l.amount_fen) <> 0""",
        "room {id} was brought {was} by {kind} {source}, by the events it is {due}": f"""
            {_applied("takings_consumer")}, due AS (
                SELECT (payload ->> 'room_id')::uuid AS room_id, 'tip' AS kind, (payload ->> 'tip_id')::uuid AS source_id,
                       (payload ->> 'amount_fen')::bigint AS fen
                FROM applied WHERE type = :tip_paid
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
    }
)


async def audit(session: Session) -> list[str]:
    """Tips equal their charges, refunds and events; each part of a tip is posted to whom its event says; takings are what
    the events say, source by source."""
    values: dict[str, Any] = {
        "tip": tips.COLLECTOR.kind,
        "tip_paid": TipPaid.type_name(),
        "order_paid": OrderPaid.type_name(),
        "refund_agreed": RefundAgreed.type_name(),
        "types": [event.type_name() for event in (OrderPaid, RefundAgreed, TipPaid)],
        "tips_consumer": tips.CONSUMER,
        "takings_consumer": takings.CONSUMER,
        "allotments": [tips.HELD, tips.KEPT],
        "held": Account.PAYEE_HELD,
        "kept": Account.OTHER_INCOME,
        "unallotted": Account.TIPS_UNALLOTTED,
    }
    return await breaches_of(session, [*_TOLD, *_CHECKS], **values)
