"""The books' own invariants."""

from app.core import db
from app.core.db import AsyncSession

_ACCOUNTS_DOWN = "('payee_available', 'payee_withdrawing', 'customer_coins', 'customer_points')"


async def audit(session: AsyncSession) -> list[str]:
    """Transfers sum to zero per book and unit; balance rows equal their entries."""
    unbalanced = await db.fetch(
        session,
        """SELECT transfer_id, book, unit, sum(amount_fen) AS off_fen FROM ledger_entry
           GROUP BY transfer_id, book, unit HAVING sum(amount_fen) <> 0 LIMIT 20""",
    )
    breaches = [f"transfer {r['transfer_id']} in {r['book']}/{r['unit']} is off by {r['off_fen']}" for r in unbalanced]
    drifted = await db.fetch(
        session,
        f"""SELECT coalesce(b.account, e.account) AS account, coalesce(b.owner, e.owner) AS owner,
                   coalesce(b.balance_fen, 0) AS balance_fen, coalesce(e.entries_fen, 0) AS entries_fen
            FROM ledger_balance b
            FULL JOIN (
                SELECT account, book, unit, owner,
                       sum(CASE WHEN account IN {_ACCOUNTS_DOWN} THEN -amount_fen ELSE amount_fen END) AS entries_fen
                FROM ledger_entry WHERE account = ANY($1) GROUP BY account, book, unit, owner
            ) e USING (account, book, unit, owner)
            WHERE coalesce(b.balance_fen, 0) <> coalesce(e.entries_fen, 0) LIMIT 20""",  # noqa: S608  constants only
        ["payee_available", "payee_withdrawing", "payee_debt", "customer_coins", "customer_points", "points_debt"],
    )
    breaches += [
        f"balance of {r['account']} for {r['owner']} says {r['balance_fen']}, its entries {r['entries_fen']}"
        for r in drifted
    ]
    empty = await db.fetchval(
        session,
        """SELECT count(*) FROM ledger_transfer t
           WHERE NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.transfer_id = t.id)""",
    )
    if empty:
        breaches.append(f"{empty} transfers have no entries")
    return breaches
