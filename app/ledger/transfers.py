"""Posting: the one way into the books."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.core.db import BulkInsert, Session, Statement
from app.core.ids import new_id
from app.ledger.errors import BalanceTooLow, Unbalanced
from app.ledger.models import LedgerEntry, LedgerTransfer
from app.ledger.schemas import (
    LIABILITIES_WITH_BALANCE,
    OF_PAYEES,
    WITH_BALANCE,
    Account,
    Entry,
    Move,
    Standing,
    Transfer,
    Unit,
)


class _TransferRow(msgspec.Struct, frozen=True):
    id: UUID
    kind: str
    key: str


class _EntryRow(msgspec.Struct, frozen=True):
    transfer_id: UUID
    book: str
    unit: Unit
    account: Account
    subject: UUID
    owner: UUID | None
    amount_fen: int


class PostedEntry(msgspec.Struct, frozen=True):
    """An entry with the transfer it belongs to; a debit is above 0."""

    account: Account
    amount_fen: int
    owner: UUID | None
    kind: str
    posted_at: datetime


_POST_TRANSFERS = BulkInsert(LedgerTransfer, _TransferRow)
_POST_ENTRIES = BulkInsert(LedgerEntry, _EntryRow)
_POST_MOVES = Statement(
    """WITH move AS (
           SELECT id, key, book, subject, owner, amount_fen
           FROM unnest(:ids::uuid[], :keys::text[], :books::text[], :subjects::uuid[], :owners::uuid[],
                       :amounts_fen::bigint[]) AS x(id, key, book, subject, owner, amount_fen)
       ), transfer AS (
           INSERT INTO ledger_transfer (id, kind, key) SELECT id, :kind, key FROM move
       )
       INSERT INTO ledger_entry (transfer_id, book, unit, account, subject, owner, amount_fen)
       SELECT m.id, m.book, :unit, e.account, m.subject, CASE WHEN e.is_owned THEN m.owner END, m.amount_fen * e.sign
       FROM move m
       CROSS JOIN (VALUES (:debit::text, :debit_is_owned::bool, 1), (:credit::text, :credit_is_owned::bool, -1))
           AS e(account, is_owned, sign)"""
)
_RAISE = Statement(
    """INSERT INTO ledger_balance (account, book, unit, owner, balance_fen)
       SELECT :account, book, :unit, owner, change_fen
       FROM unnest(:books::text[], :owners::uuid[], :changes_fen::bigint[]) AS x(book, owner, change_fen)
       ORDER BY book, owner
       ON CONFLICT (account, book, unit, owner)
       DO UPDATE SET balance_fen = ledger_balance.balance_fen + excluded.balance_fen"""
)
# A row that is not there cannot go down; an INSERT of a negative would fail its CHECK before the conflict.
_LOWER = Statement(
    """WITH locked AS (
           SELECT b.book, b.owner, x.change_fen
           FROM ledger_balance b
           JOIN unnest(:books::text[], :owners::uuid[], :changes_fen::bigint[]) AS x(book, owner, change_fen)
               ON b.account = :account AND b.unit = :unit AND b.book = x.book AND b.owner = x.owner
           ORDER BY b.book, b.owner FOR UPDATE OF b
       )
       UPDATE ledger_balance b SET balance_fen = b.balance_fen - l.change_fen
       FROM locked l WHERE b.account = :account AND b.unit = :unit AND b.book = l.book AND b.owner = l.owner"""
)
# A withdrawal that failed comes back to another account of the payee, so its transfer takes nothing from them on the whole.
_STANDING = Statement(
    """SELECT coalesce(sum(balance_fen) FILTER (WHERE account = 'payee_held'), 0)::bigint AS held_fen,
              coalesce(sum(balance_fen) FILTER (WHERE account = 'payee_available'), 0)::bigint AS available_fen,
              coalesce(sum(balance_fen) FILTER (WHERE account = 'payee_withdrawing'), 0)::bigint AS withdrawing_fen,
              coalesce(sum(balance_fen) FILTER (WHERE account = 'payee_debt'), 0)::bigint AS debt_fen,
              (SELECT coalesce(sum(e.amount_fen), 0)::bigint FROM ledger_entry e
               WHERE e.owner = :owner AND e.unit = 'CNY_FEN' AND e.transfer_id IN (
                   SELECT w.transfer_id FROM ledger_entry w
                   WHERE w.owner = :owner AND w.account = 'payee_withdrawing' AND w.amount_fen > 0
               )) AS paid_out_fen
       FROM ledger_balance
       WHERE owner = :owner AND unit = 'CNY_FEN' AND account = ANY(:accounts)""",
    Standing,
)
_ABOUT = Statement(
    """SELECT e.account, e.amount_fen, e.owner, t.kind, t.posted_at
       FROM ledger_entry e JOIN ledger_transfer t ON t.id = e.transfer_id
       WHERE e.subject = :subject ORDER BY e.id LIMIT :limit""",
    PostedEntry,
)
_BALANCE = Statement(
    """SELECT balance_fen FROM ledger_balance
       WHERE account = :account AND book = :book AND unit = 'CNY_FEN' AND owner = :owner FOR UPDATE""",
    int,
)

_Place = tuple[Account, str, Unit, UUID]
"""Account, book, unit and owner of a balance row."""


async def post(session: Session, *transfers: Transfer) -> None:
    """Write transfers and their entries with the transaction's next statement, and the balances they move, one by one.

    Entries of 0 are left out; a transfer with none is left out whole. Raises Unbalanced (a bug) and BalanceTooLow; the
    statement that writes them raises asyncpg's UniqueViolationError when a `(kind, key)` was posted before.
    """
    rows: list[_TransferRow] = []
    legs: list[_EntryRow] = []
    moves: defaultdict[_Place, int] = defaultdict(int)
    for transfer in transfers:
        entries = [entry for entry in transfer.entries if entry.amount_fen]
        if sum(entry.amount_fen for entry in entries) != 0:
            raise Unbalanced(f"{transfer.kind} {transfer.key}")
        if not entries:
            continue
        row = _TransferRow(new_id(), transfer.kind, transfer.key)
        rows.append(row)
        for entry in entries:
            legs.append(_leg(row.id, transfer, entry))
            if entry.account in WITH_BALANCE:
                assert entry.owner is not None, f"{entry.account} needs an owner"
                sign = -1 if entry.account in LIABILITIES_WITH_BALANCE else 1
                moves[entry.account, transfer.book, transfer.unit, entry.owner] += sign * entry.amount_fen
    if rows:
        _POST_TRANSFERS.later(session, rows)
        _POST_ENTRIES.later(session, legs)
        await _move_balances(session, moves)


async def post_moves(session: Session, moves: Sequence[Move], *, kind: str, debit: Account, credit: Account) -> None:
    """Post many transfers of one kind, each of an amount from one account to another, in one statement.

    The owner stands on those of the two accounts whose entries belong to somebody, and their balances move by one more
    statement each. Raises BalanceTooLow, and asyncpg's UniqueViolationError when a `(kind, key)` was posted before.
    """
    if moves:
        await _POST_MOVES.run(
            session,
            ids=[new_id() for _ in moves],
            keys=[move.key for move in moves],
            books=[move.book for move in moves],
            subjects=[move.subject for move in moves],
            owners=[move.owner for move in moves],
            amounts_fen=[move.amount_fen for move in moves],
            kind=kind,
            unit=Unit.CNY_FEN,
            debit=debit,
            debit_is_owned=debit in WITH_BALANCE,
            credit=credit,
            credit_is_owned=credit in WITH_BALANCE,
        )
        changes_fen: defaultdict[tuple[str, UUID], int] = defaultdict(int)
        for move in moves:
            changes_fen[move.book, move.owner] += move.amount_fen
        for account, is_debit in sorted(((debit, True), (credit, False))):
            if account in WITH_BALANCE:
                raises = is_debit is (account not in LIABILITIES_WITH_BALANCE)
                await _change(session, account, Unit.CNY_FEN, changes_fen, raises=raises)


async def _change(
    session: Session, account: Account, unit: Unit, changes_fen: Mapping[tuple[str, UUID], int], *, raises: bool
) -> None:
    """The balances of one account by book and owner, in that order; all go up by their change, or all down."""
    try:
        moved = await (_RAISE if raises else _LOWER).run(
            session,
            account=account,
            unit=unit,
            books=[book for book, _ in changes_fen],
            owners=[owner for _, owner in changes_fen],
            changes_fen=list(changes_fen.values()),
        )
    except asyncpg.CheckViolationError as error:
        raise BalanceTooLow from error
    if moved < len(changes_fen):
        raise BalanceTooLow


def _leg(transfer_id: UUID, transfer: Transfer, entry: Entry) -> _EntryRow:
    return _EntryRow(
        transfer_id, transfer.book, transfer.unit, entry.account, entry.subject, entry.owner, entry.amount_fen
    )


async def _move_balances(session: Session, moves: dict[_Place, int]) -> None:
    """One update per balance row, in one global order, so that two batches never wait for each other in a ring."""
    for (account, book, unit, owner), change_fen in sorted(moves.items()):
        if change_fen:
            await _change(session, account, unit, {(book, owner): abs(change_fen)}, raises=change_fen > 0)


async def lock_balance(session: Session, account: Account, *, book: str, owner: UUID) -> int:
    """What an owner has on an account that keeps a balance, in fen; it does not change until the transaction ends."""
    return await _BALANCE.first(session, account=account, book=book, owner=owner) or 0


async def standing_of(session: Session, owner: UUID) -> Standing:
    """Where a payee's money stands, in one statement: no fen is on two accounts at once."""
    return await _STANDING.one(session, owner=owner, accounts=OF_PAYEES)


async def entries_about(session: Session, subject: UUID, *, limit: int = 100) -> list[PostedEntry]:
    """Entries whose subject is `subject`, oldest first."""
    return await _ABOUT.all(session, subject=subject, limit=limit)
