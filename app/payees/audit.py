"""Invariants of what we owe to people, against the books."""

from app.core.audits import breaches_of, checks
from app.core.db import Session

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
        "hold {id} of {source} {source_id} is {due}, its transfer says {was}": """
            SELECT coalesce(h.id::text, 'none') AS id, h.source, h.source_id, h.amount_fen AS due,
                   coalesce(-e.fen, 0) AS was
            FROM payees_hold h
            LEFT JOIN LATERAL (
                SELECT sum(e.amount_fen) AS fen FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
                WHERE e.subject = h.source_id AND e.account = 'payee_held' AND e.owner = h.payee_id
                  AND t.kind = h.source || '_held'
            ) e ON true
            WHERE h.amount_fen <> coalesce(-e.fen, 0)""",
    }
)


async def audit(session: Session) -> list[str]:
    """What the books hold for each payee is what the holds say, and each hold is what was held less what was taken."""
    return await breaches_of(session, _CHECKS)
