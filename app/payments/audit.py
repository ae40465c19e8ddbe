"""Invariants of payments against the ledger."""

from app.core import db
from app.core.db import AsyncSession

_CHECKS = {
    "charge {id} is settled without its cash entry": """
        SELECT c.id FROM payments_charge c WHERE c.status = 'settled' AND NOT EXISTS (
            SELECT 1 FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
            WHERE e.subject = c.id AND e.account = 'wechat_pending' AND t.kind = 'charge_paid'
              AND e.amount_fen = c.amount_fen)""",
    "cash was posted for charge {id}, which is not settled": """
        SELECT e.subject AS id FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
        LEFT JOIN payments_charge c ON c.id = e.subject
        WHERE t.kind = 'charge_paid' AND e.account = 'wechat_pending' AND c.status IS DISTINCT FROM 'settled'""",
    "charge {id} counts other refunds than it has": """
        SELECT c.id FROM payments_charge c
        LEFT JOIN (SELECT charge_id, sum(amount_fen) AS fen FROM payments_refund GROUP BY charge_id) r
            ON r.charge_id = c.id
        WHERE c.refunded_fen <> coalesce(r.fen, 0)""",
    "refund {id} succeeded but something stays due for it": """
        SELECT r.id FROM payments_refund r WHERE r.status = 'succeeded' AND coalesce((
            SELECT sum(e.amount_fen) FROM ledger_entry e WHERE e.subject = r.id AND e.account = 'refunds_due'), 0) <> 0""",
    "refund {id} is not paid out, but not exactly its amount is due": """
        SELECT r.id FROM payments_refund r WHERE r.status <> 'succeeded' AND coalesce((
            SELECT -sum(e.amount_fen) FROM ledger_entry e WHERE e.subject = r.id AND e.account = 'refunds_due'), 0)
            <> r.amount_fen""",
}


async def audit(session: AsyncSession) -> list[str]:
    """Settled charges have exactly their cash; refunds are owed until they are paid out, and then no more."""
    breaches: list[str] = []
    for text, query in _CHECKS.items():
        rows = await db.fetch(session, f"{query} LIMIT 20")
        breaches += [text.format(id=row["id"]) for row in rows]
    return breaches
