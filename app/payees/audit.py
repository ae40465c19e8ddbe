"""Invariants of what we owe to people, against the books."""

from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.ledger import OF_PAYEES

_CHECKS = checks(
    {
        "payee {payee} has {was} held in the books, the holds come to {due}": """
            SELECT coalesce(l.owner, h.payee_id) AS payee, coalesce(l.fen, 0) AS was, coalesce(h.fen, 0) AS due
            FROM (SELECT owner, book, -sum(amount_fen) AS fen FROM ledger_entry
                  WHERE account = 'payee_held' GROUP BY owner, book) l
            FULL JOIN (SELECT payee_id, book, sum(amount_fen - clawed_back_fen) AS fen FROM payees_hold
                       WHERE status = 'held' GROUP BY payee_id, book) h ON h.payee_id = l.owner AND h.book = l.book
            WHERE coalesce(l.fen, 0) <> coalesce(h.fen, 0)""",
        "hold {id} has {was} taken back, its takings come to {due}": """
            SELECT h.id, h.clawed_back_fen AS was, coalesce(sum(t.amount_fen), 0) AS due
            FROM payees_hold h LEFT JOIN payees_clawback t ON t.hold_id = h.id
            GROUP BY h.id HAVING h.clawed_back_fen <> coalesce(sum(t.amount_fen), 0)""",
        "{kind} {key} is {due} by its row of payees, its transfer says {was}": """
            WITH due AS (
                SELECT source || '_held' AS kind, id::text AS key, (source_id, payee_id, book, amount_fen)::text AS said
                FROM payees_hold
                UNION ALL
                SELECT h.source || '_clawed_back', t.id::text, (h.source_id, h.payee_id, h.book, -t.amount_fen)::text
                FROM payees_clawback t JOIN payees_hold h ON h.id = t.hold_id
            ), posted AS (
                SELECT t.kind, t.key, (e.subject, e.owner, e.book, -sum(e.amount_fen)::bigint)::text AS said
                FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id
                WHERE e.account = ANY(:of_payees) AND (right(t.kind, 5) = '_held' OR right(t.kind, 12) = '_clawed_back')
                GROUP BY t.kind, t.key, e.subject, e.owner, e.book
            )
            SELECT kind, key, coalesce(p.said, 'nothing') AS was, coalesce(d.said, 'nothing') AS due
            FROM due d FULL JOIN posted p USING (kind, key) WHERE d.said IS DISTINCT FROM p.said""",
        "transfer {id} is about several things": """
            SELECT t.id FROM ledger_transfer t JOIN ledger_entry e ON e.transfer_id = t.id
            WHERE right(t.kind, 5) = '_held' OR right(t.kind, 12) = '_clawed_back'
            GROUP BY t.id HAVING count(DISTINCT e.subject) > 1""",
    }
)


async def audit(session: Session) -> list[str]:
    """What the books hold for each payee is what the holds say, each hold is what was held less what was taken, and each of
    both is its transfer."""
    return await breaches_of(session, _CHECKS, of_payees=OF_PAYEES)
