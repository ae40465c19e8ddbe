"""Posting: the one way money facts reach the books."""

from collections import defaultdict
from uuid import UUID

import asyncpg

from app.core import db
from app.core.db import AsyncSession
from app.core.ids import new_id
from app.ledger.errors import BalanceTooLow, Unbalanced
from app.ledger.schemas import LIABILITIES_WITH_BALANCE, WITH_BALANCE, Standing, Transfer

_POST = """
WITH posted AS (
    INSERT INTO ledger_transfer (id, kind, key) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[])
)
INSERT INTO ledger_entry (transfer_id, book, unit, account, subject, owner, amount_fen)
SELECT * FROM unnest($4::uuid[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::uuid[], $10::bigint[])
"""

_MOVE = """
INSERT INTO ledger_balance (account, book, unit, owner, balance_fen) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account, book, unit, owner)
DO UPDATE SET balance_fen = ledger_balance.balance_fen + excluded.balance_fen
"""


async def post(session: AsyncSession, *transfers: Transfer) -> None:
    """Write transfers, their entries and the balances they move, in one statement plus one per moved balance.

    Entries of 0 are left out; a transfer with none is left out whole. Raises Unbalanced (a bug), BalanceTooLow, and
    asyncpg's UniqueViolationError when a `(kind, key)` was posted before.
    """
    ids: list[UUID] = []
    kinds: list[str] = []
    keys: list[str] = []
    legs: list[tuple[UUID, str, str, str, UUID, UUID | None, int]] = []
    moves: dict[tuple[str, str, str, UUID], int] = defaultdict(int)
    for transfer in transfers:
        entries = [entry for entry in transfer.entries if entry.amount_fen]
        if sum(entry.amount_fen for entry in entries) != 0:
            raise Unbalanced(f"{transfer.kind} {transfer.key}")
        if not entries:
            continue
        transfer_id = new_id()
        ids.append(transfer_id)
        kinds.append(transfer.kind)
        keys.append(transfer.key)
        for entry in entries:
            legs.append(
                (
                    transfer_id,
                    transfer.book,
                    transfer.unit.value,
                    entry.account.value,
                    entry.subject,
                    entry.owner,
                    entry.amount_fen,
                )
            )
            if entry.account in WITH_BALANCE:
                assert entry.owner is not None, f"{entry.account} needs an owner"
                sign = -1 if entry.account in LIABILITIES_WITH_BALANCE else 1
                moves[entry.account.value, transfer.book, transfer.unit.value, entry.owner] += sign * entry.amount_fen
    if not ids:
        return
    await db.execute(session, _POST, ids, kinds, keys, *(list(column) for column in zip(*legs, strict=True)))
    await _move_balances(session, moves)


async def _move_balances(session: AsyncSession, moves: dict[tuple[str, str, str, UUID], int]) -> None:
    """One update per balance row, in one global order, so that two batches never wait for each other in a ring."""
    for place, change_fen in sorted(moves.items()):
        if change_fen == 0:
            continue
        try:
            if change_fen > 0:
                await db.execute(session, _MOVE, *place, change_fen)
                continue
            # A row that is not there cannot go down; an INSERT of a negative would fail its CHECK before the conflict.
            moved = await db.execute(
                session,
                """UPDATE ledger_balance SET balance_fen = balance_fen + $5
                   WHERE account = $1 AND book = $2 AND unit = $3 AND owner = $4""",
                *place,
                change_fen,
            )
        except asyncpg.CheckViolationError as error:
            raise BalanceTooLow from error
        if not moved:
            raise BalanceTooLow


# A withdrawal that failed comes back to another account of the payee, so its transfer takes nothing from him on the whole.
_STANDING = """
WITH own AS (
    SELECT account, amount_fen, sum(amount_fen) OVER (PARTITION BY transfer_id) AS taken_fen
    FROM ledger_entry WHERE owner = $1 AND unit = 'CNY_FEN'
)
SELECT coalesce(-sum(amount_fen) FILTER (WHERE account = 'payee_held'), 0)::bigint AS held_fen,
       coalesce(-sum(amount_fen) FILTER (WHERE account = 'payee_available'), 0)::bigint AS available_fen,
       coalesce(-sum(amount_fen) FILTER (WHERE account = 'payee_withdrawing'), 0)::bigint AS withdrawing_fen,
       coalesce(sum(amount_fen) FILTER (WHERE account = 'payee_debt'), 0)::bigint AS debt_fen,
       coalesce(sum(taken_fen) FILTER (WHERE account = 'payee_withdrawing' AND amount_fen > 0), 0)::bigint AS paid_out_fen
FROM own
"""


async def standing_of(session: AsyncSession, owner: UUID) -> Standing:
    """Where a payee's money stands, in one statement: no fen is on two accounts at once."""
    row = await db.fetchrow(session, _STANDING, owner)
    assert row is not None
    return Standing(**dict(row))


async def entries_about(session: AsyncSession, subject: UUID, *, limit: int = 100) -> list[asyncpg.Record]:
    """Entries whose subject is `subject`, oldest first: account, amount_fen (debit above 0), kind, posted_at, owner."""
    return await db.fetch(
        session,
        """SELECT e.account, e.amount_fen, e.owner, t.kind, t.posted_at
           FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
           WHERE e.subject = $1 ORDER BY e.id LIMIT $2""",
        subject,
        limit,
    )
