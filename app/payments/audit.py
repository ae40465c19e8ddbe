"""Invariants of payments against the ledger and the log."""

from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.ledger import Account
from app.payments.discrepancies import LANDED
from app.payments.events import RefundSucceeded

_CHECKS = checks(
    {
        "charge {id} was paid {due}, its cash entries come to {was}": """
            SELECT coalesce(c.id, e.subject) AS id, coalesce(c.amount_fen, 0) AS due, coalesce(e.fen, 0) AS was
            FROM (SELECT id, amount_fen FROM payments_charge WHERE status = 'settled') c
            FULL JOIN (
                SELECT e.subject, sum(e.amount_fen) AS fen FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
                WHERE t.kind = 'charge_paid' AND e.account = :wechat_pending GROUP BY e.subject
            ) e ON e.subject = c.id
            WHERE c.amount_fen IS DISTINCT FROM e.fen""",
        "charge {id} counts {was_many} refunds of {was}, it has {due_many} of {due}": """
            SELECT c.id, c.refunds AS was_many, c.refunded_fen AS was, coalesce(r.many, 0) AS due_many,
                   coalesce(r.fen, 0) AS due
            FROM payments_charge c
            LEFT JOIN (SELECT charge_id, count(*) AS many, sum(amount_fen) AS fen FROM payments_refund GROUP BY charge_id) r
                ON r.charge_id = c.id
            WHERE (c.refunds, c.refunded_fen) <> (coalesce(r.many, 0), coalesce(r.fen, 0))""",
        "refund {id} sent {was} back by itself, its charge brought {due}": """
            SELECT r.id, r.amount_fen AS was, c.amount_fen AS due
            FROM payments_refund r JOIN payments_charge c ON c.id = r.charge_id
            WHERE r.kind <> 'agreed' AND r.amount_fen <> c.amount_fen""",
        "refund {id} is owed {was} in the books, it should be {due}": """
            SELECT coalesce(r.id, e.subject) AS id, coalesce(e.fen, 0) AS was, coalesce(r.fen, 0) AS due
            FROM (SELECT id, CASE WHEN status = 'succeeded' THEN 0 ELSE amount_fen END AS fen FROM payments_refund) r
            FULL JOIN (
                SELECT subject, -sum(amount_fen) AS fen FROM ledger_entry WHERE account = :refunds_due GROUP BY subject
            ) e ON e.subject = r.id
            WHERE coalesce(r.fen, 0) <> coalesce(e.fen, 0)""",
        "discrepancy {id} holds {was} in suspense, it should be {due}": """
            SELECT coalesce(d.id, e.subject) AS id, coalesce(e.fen, 0) AS was, coalesce(d.fen, 0) AS due
            FROM (
                SELECT id, (reported ->> 'amount_fen')::bigint AS fen FROM payments_discrepancy
                WHERE kind = ANY(:landed) AND charge_id IS NOT NULL
            ) d
            FULL JOIN (
                SELECT subject, -sum(amount_fen) AS fen FROM ledger_entry WHERE account = :suspense GROUP BY subject
            ) e ON e.subject = d.id
            WHERE coalesce(d.fen, 0) <> coalesce(e.fen, 0)""",
        "WeChat holds {was} for book {id} in the books; charges and suspense less refunds come to {due}": """
            WITH due AS (
                SELECT book, amount_fen FROM payments_charge WHERE status = 'settled'
                UNION ALL
                SELECT c.book, -r.amount_fen FROM payments_refund r JOIN payments_charge c ON c.id = r.charge_id
                WHERE r.status = 'succeeded'
                UNION ALL
                SELECT book, -amount_fen FROM ledger_entry WHERE account = :suspense
            )
            SELECT coalesce(d.book, e.book) AS id, coalesce(e.fen, 0) AS was, coalesce(d.fen, 0) AS due
            FROM (SELECT book, sum(amount_fen) AS fen FROM due GROUP BY book) d
            FULL JOIN (
                SELECT book, sum(amount_fen) AS fen FROM ledger_entry WHERE account = :wechat_pending GROUP BY book
            ) e ON e.book = d.book
            WHERE coalesce(d.fen, 0) <> coalesce(e.fen, 0)""",
        "charge {id} is open a day after its time was over": """
            SELECT id FROM payments_charge WHERE status = 'open' AND expires_at < statement_timestamp() - interval '1 day'""",
        "charge {id} was closed while WeChat did not know it, and not asked about a day after its time was over": """
            SELECT id FROM payments_charge WHERE closed_unseen AND expires_at < statement_timestamp() - interval '1 day'""",
        "refund {id} is {was} a week after it was requested": """
            SELECT id, status AS was FROM payments_refund
            WHERE status IN ('requested', 'processing') AND created_at < statement_timestamp() - interval '7 days'""",
        "refund {id}: {due} was paid out, events tell of {was}": """
            SELECT coalesce(r.id, f.stream) AS id, coalesce(f.fen, 0) AS was, coalesce(r.amount_fen, 0) AS due
            FROM (SELECT id, amount_fen FROM payments_refund WHERE status = 'succeeded') r
            FULL JOIN (
                SELECT stream, sum((payload ->> 'amount_fen')::bigint) AS fen FROM told
                WHERE type = :refund_succeeded GROUP BY stream
            ) f ON f.stream = r.id
            WHERE r.amount_fen IS DISTINCT FROM f.fen""",
    },
    told=True,
)


async def audit(session: Session) -> list[str]:
    """Charges, refunds and discrepancies each have exactly their entries, and none has entries alone; WeChat holds their
    sum; what was paid out is told once; no charge or refund is forgotten."""
    return await breaches_of(
        session,
        _CHECKS,
        refund_succeeded=RefundSucceeded.type_name(),
        wechat_pending=Account.WECHAT_PENDING,
        refunds_due=Account.REFUNDS_DUE,
        suspense=Account.SUSPENSE,
        landed=LANDED,
    )
