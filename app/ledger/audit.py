"""The books' own invariants."""

from collections.abc import Awaitable, Callable, Mapping

from app.core.audits import breaches_of, checks
from app.core.db import Session
from app.ledger.schemas import IN_POINTS, LIABILITIES_WITH_BALANCE, WITH_BALANCE, Unit

_CHECKS = checks(
    {
        "transfer {transfer_id} in {book}/{unit} is off by {off_fen}": """
            SELECT transfer_id, book, unit, sum(amount_fen) AS off_fen FROM ledger_entry
            GROUP BY transfer_id, book, unit HAVING sum(amount_fen) <> 0""",
        "balance of {account} for {owner} says {balance_fen}, its entries {entries_fen}": """
            SELECT coalesce(b.account, e.account) AS account, coalesce(b.owner, e.owner) AS owner,
                   coalesce(b.balance_fen, 0) AS balance_fen, coalesce(e.entries_fen, 0) AS entries_fen
            FROM ledger_balance b
            FULL JOIN (
                SELECT account, book, unit, owner,
                       sum(CASE WHEN account = ANY(:liabilities) THEN -amount_fen ELSE amount_fen END) AS entries_fen
                FROM ledger_entry WHERE account = ANY(:with_balance) GROUP BY account, book, unit, owner
            ) e USING (account, book, unit, owner)
            WHERE coalesce(b.balance_fen, 0) <> coalesce(e.entries_fen, 0)""",
        "transfer {transfer_id} moves {was} of {account}, which is kept {due}": """
            SELECT transfer_id, account, concat_ws(' of ', unit, owner) AS was,
                   CASE WHEN account = ANY(:in_points) THEN 'in points' ELSE 'in fen' END
                   || CASE WHEN account = ANY(:with_balance) THEN ', by owner' ELSE ', for the brand' END AS due
            FROM ledger_entry
            WHERE (owner IS NULL) = (account = ANY(:with_balance)) OR (unit = :points) <> (account = ANY(:in_points))
               OR unit NOT IN (:points, :fen)""",
        "transfer {id} ({kind} {key}) has no entries": """
            SELECT id, kind, key FROM ledger_transfer t
            WHERE NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.transfer_id = t.id)""",
    }
)
_KINDS = checks(
    {
        "transfer {id} of kind {kind} moves {accounts}, which no such kind does": """
            SELECT t.id, t.kind, string_agg(DISTINCT e.account, ' and ') AS accounts
            FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
            LEFT JOIN unnest(:kinds::text[], :accounts::text[]) AS k(kind, account)
                ON k.kind = t.kind AND k.account = e.account
            WHERE k.kind IS NULL GROUP BY t.id""",
    }
)


def kinds_audit(known: Mapping[str, frozenset[str]]) -> Callable[[Session], Awaitable[list[str]]]:
    """The audit that holds every transfer to the known kinds and the accounts that each of them moves."""
    pairs = [(kind, account) for kind, accounts in known.items() for account in accounts]

    async def audit(session: Session) -> list[str]:
        return await breaches_of(
            session, _KINDS, kinds=[kind for kind, _ in pairs], accounts=[account for _, account in pairs]
        )

    return audit


async def audit(session: Session) -> list[str]:
    """Transfers sum to zero per book and unit; balance rows equal their entries; each entry is in its account's unit and
    has an owner where the account has; no transfer is empty."""
    return await breaches_of(
        session,
        _CHECKS,
        liabilities=sorted(LIABILITIES_WITH_BALANCE),
        with_balance=sorted(WITH_BALANCE),
        in_points=sorted(IN_POINTS),
        points=Unit.POINTS,
        fen=Unit.CNY_FEN,
    )
