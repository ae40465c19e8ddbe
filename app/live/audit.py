"""The live rooms' own invariants."""

from app.core import db
from app.core.db import AsyncSession

_CHECKS = {
    "a paid tip without its settled charge, or the other way round: tip {id}, {detail}": """
        SELECT coalesce(t.id, c.subject_id) AS id, coalesce(t.status, 'no tip') || '/' || coalesce(c.status, 'no charge')
               AS detail
        FROM live_tip t FULL JOIN (SELECT * FROM payments_charge WHERE subject_kind = 'tip') c ON c.id = t.charge_id
        WHERE (t.status IN ('paid', 'refunded')) IS DISTINCT FROM (c.status = 'settled')
           OR t.amount_fen IS DISTINCT FROM c.amount_fen LIMIT 20""",
    "a paid tip and its fact disagree: tip {id}, {detail}": """
        WITH fact AS (
            SELECT stream, (payload->>'amount_fen')::bigint AS amount_fen FROM event WHERE type = 'live.tip_paid'
            UNION ALL
            SELECT stream, (payload->>'amount_fen')::bigint FROM event_inbox WHERE type = 'live.tip_paid'
        )
        SELECT coalesce(t.id, f.stream) AS id, 'tip ' || coalesce(t.amount_fen::text, 'not paid') || ', facts '
               || coalesce(f.amount_fen::text, 'none') AS detail
        FROM (SELECT * FROM live_tip WHERE status = 'paid') t
        FULL JOIN (SELECT stream, sum(amount_fen)::bigint AS amount_fen FROM fact GROUP BY stream) f ON f.stream = t.id
        WHERE t.amount_fen IS DISTINCT FROM f.amount_fen LIMIT 20""",
    "a tip and its allotment disagree: tip {id}, {detail}": """
        WITH told AS (
            SELECT e.stream AS tip_id, (e.payload->>'amount_fen')::bigint AS amount_fen
            FROM event e JOIN event_cursor c ON c.consumer = 'live.tips' AND e.seq <= c.seq
            WHERE e.type = 'live.tip_paid' AND NOT EXISTS (
                SELECT 1 FROM event_parked p
                WHERE p.consumer = 'live.tips' AND p.seq = e.seq AND p.resolved_at IS NULL)
        ), allotted AS (
            SELECT l.subject AS tip_id, sum(l.amount_fen) FILTER (WHERE l.account = 'tips_unallotted') AS amount_fen
            FROM ledger_transfer t JOIN ledger_entry l ON l.transfer_id = t.id
            WHERE t.kind = 'tip_allotted' GROUP BY l.subject
        )
        SELECT coalesce(o.tip_id, a.tip_id) AS id, 'told ' || coalesce(o.amount_fen::text, 'nothing') || ', allotted '
               || coalesce(a.amount_fen::text, 'nothing') AS detail
        FROM told o FULL JOIN allotted a ON a.tip_id = o.tip_id
        WHERE o.amount_fen IS DISTINCT FROM a.amount_fen LIMIT 20""",
    "money of a tip is still unallotted: tip {id}, {detail}": """
        SELECT l.subject AS id, sum(l.amount_fen)::text AS detail FROM ledger_entry l
        WHERE l.account = 'tips_unallotted' AND EXISTS (
            SELECT 1 FROM ledger_transfer t WHERE t.kind = 'tip_allotted' AND t.key = l.subject::text)
        GROUP BY l.subject HAVING sum(l.amount_fen) <> 0 LIMIT 20""",
    "a room's takings and the facts disagree: room {id}, {detail}": """
        WITH seen AS (
            SELECT e.* FROM event e JOIN event_cursor c ON c.consumer = 'live.takings' AND e.seq <= c.seq
            WHERE e.type IN ('mall.order_paid', 'mall.refund_agreed', 'live.tip_paid') AND NOT EXISTS (
                SELECT 1 FROM event_parked p
                WHERE p.consumer = 'live.takings' AND p.seq = e.seq AND p.resolved_at IS NULL)
        ), told AS (
            SELECT (payload->>'room_id')::uuid AS room_id, (payload->>'amount_fen')::bigint AS amount_fen FROM seen
            WHERE type = 'live.tip_paid'
            UNION ALL
            SELECT (line->'credit'->>'room_id')::uuid,
                   CASE type WHEN 'mall.order_paid' THEN (line->>'goods_paid_fen')::bigint
                             ELSE -(line->>'amount_fen')::bigint END
            FROM seen, jsonb_array_elements(payload->'lines') AS line
            WHERE type <> 'live.tip_paid' AND line->'credit'->>'room_id' IS NOT NULL
        )
        SELECT coalesce(o.room_id, w.room_id) AS id, 'facts ' || coalesce(o.amount_fen::text, 'none') || ', takings '
               || coalesce(w.amount_fen::text, 'none') AS detail
        FROM (SELECT room_id, sum(amount_fen) AS amount_fen FROM told GROUP BY room_id) o
        FULL JOIN (SELECT room_id, sum(amount_fen) AS amount_fen FROM live_taking GROUP BY room_id) w USING (room_id)
        WHERE o.amount_fen IS DISTINCT FROM w.amount_fen LIMIT 20""",
}


async def audit(session: AsyncSession) -> list[str]:
    """Paid tips, settled charges, facts and allotments agree; takings are what the facts say."""
    breaches: list[str] = []
    for sentence, query in _CHECKS.items():
        rows = await db.fetch(session, query)
        breaches.extend(sentence.format(id=row["id"], detail=row["detail"]) for row in rows)
    return breaches
