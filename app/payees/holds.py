"""Holding money for people and taking it back, together with its entries in the ledger."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from app import ledger
from app.core.db import BulkInsert, Listing, Session, Statement
from app.core.ids import new_id
from app.core.paging import Paging, Rows
from app.ledger import Account, Entry, Move, Transfer
from app.payees.models import PayeeClawback, PayeeHold


class HoldStatus(StrEnum):
    """held → released → (paid out); reversed when all of it was taken back."""

    HELD = "held"
    RELEASED = "released"
    REVERSED = "reversed"


class Gate(StrEnum):
    """What a hold may wait for before it can be released. Only the minimum hold is watched so far."""

    HOLD = "hold"
    CONFIRMATION = "confirmation"
    RECEIPT = "receipt"
    AFTER_SALE_WINDOW = "after_sale_window"
    AFTER_SALE = "after_sale"
    SETTLEMENT = "settlement"
    PAYEE = "payee"


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Money that a source owes to a payee. `source_id` is the source's own thing: the commission, the tip.

    `releases_at` is None while nobody can say when it may go out.
    """

    source: str
    source_id: UUID
    payee_id: UUID
    book: str
    amount_fen: int
    releases_at: datetime | None = None


class Clawback(msgspec.Struct, frozen=True, kw_only=True):
    """What a source takes back of a hold. `reason_id` (a refund) makes a repeat impossible."""

    source: str
    source_id: UUID
    payee_id: UUID
    reason_id: UUID
    amount_fen: int


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A hold as it stands."""

    id: UUID
    source: str
    source_id: UUID
    payee_id: UUID
    book: str
    amount_fen: int
    clawed_back_fen: int
    status: HoldStatus
    releases_at: datetime | None
    is_waiting: bool

    @property
    def blocked_by(self) -> list[Gate]:
        """What keeps it from being released now; empty once it is released or taken back whole."""
        return [Gate.HOLD] if self.status is HoldStatus.HELD and self.is_waiting else []


class ClawbackRow(msgspec.Struct, frozen=True):
    """What was taken back of a hold, and the source's reason for it (a refund)."""

    payee_id: UUID
    reason_id: UUID
    amount_fen: int
    created_at: datetime


class _Insert(msgspec.Struct, frozen=True):
    id: UUID
    source: str
    source_id: UUID
    payee_id: UUID
    book: str
    amount_fen: int
    releases_at: datetime | None


class _InsertClawback(msgspec.Struct, frozen=True):
    id: UUID
    hold_id: UUID
    reason_id: UUID
    amount_fen: int


_COLUMNS = """id, source, source_id, payee_id, book, amount_fen, clawed_back_fen, status, releases_at,
              coalesce(releases_at, 'infinity') > clock_timestamp() AS is_waiting"""
_INSERT = BulkInsert(PayeeHold, _Insert)
_INSERT_CLAWBACKS = BulkInsert(PayeeClawback, _InsertClawback)
_LOCK = Statement(
    f"""SELECT {_COLUMNS} FROM payees_hold
        WHERE source = ANY(:sources) AND source_id = ANY(:source_ids) ORDER BY id FOR UPDATE""",
    HoldRow,
)
_TAKE = Statement(
    """UPDATE payees_hold h SET clawed_back_fen = x.clawed_back_fen,
              status = CASE WHEN x.clawed_back_fen = h.amount_fen THEN 'reversed' ELSE h.status END
       FROM unnest(:ids::uuid[], :clawed_back_fen::bigint[]) AS x(id, clawed_back_fen) WHERE h.id = x.id"""
)
_OF_SOURCE = Statement(
    f"SELECT {_COLUMNS} FROM payees_hold WHERE source = :source AND source_id = ANY(:source_ids) ORDER BY id",
    HoldRow,
)
_CLAWBACKS = Statement(
    """SELECT h.payee_id, t.reason_id, t.amount_fen, t.created_at
       FROM payees_hold h JOIN payees_clawback t ON t.hold_id = h.id
       WHERE h.source = :source AND h.source_id = :source_id ORDER BY t.id LIMIT :limit""",
    ClawbackRow,
)
_LIST = Listing(
    f"""SELECT {_COLUMNS} FROM payees_hold
        WHERE payee_id = :payee_id AND source = :source AND {{filters}} ORDER BY source_id DESC LIMIT :limit""",
    HoldRow,
    filters={"status": "status = :status", "after": "source_id < :after"},
)


async def hold(session: Session, holds: Sequence[Hold], *, funded_by: Account) -> None:
    """Owe money to payees from now on, out of the `funded_by` account, each about its source's id.

    Raises asyncpg's UniqueViolationError when a source held for the same payee before.
    """
    rows = [
        _Insert(new_id(), one.source, one.source_id, one.payee_id, one.book, one.amount_fen, one.releases_at)
        for one in holds
    ]
    await _INSERT.run(session, rows)
    moves: defaultdict[str, list[Move]] = defaultdict(list)
    for row in rows:
        moves[_held(row.source)].append(
            Move(book=row.book, key=str(row.id), subject=row.source_id, owner=row.payee_id, amount_fen=row.amount_fen)
        )
    for kind, alike in moves.items():
        await ledger.post_moves(session, alike, kind=kind, debit=funded_by, credit=Account.PAYEE_HELD)


def _held(source: str) -> str:
    return f"{source}_held"


def _clawed_back(source: str) -> str:
    return f"{source}_clawed_back"


def transfers_of(source: str, *, funded_by: Account) -> dict[str, frozenset[str]]:
    """The kinds of transfers that holding and taking back post for a source, with the accounts that they move."""
    taken_from = {Account.PAYEE_HELD, Account.PAYEE_AVAILABLE, Account.PAYEE_DEBT}
    return {
        _held(source): frozenset({funded_by, Account.PAYEE_HELD}),
        _clawed_back(source): frozenset({funded_by, *taken_from}),
    }


async def claw_back(session: Session, taken: Sequence[Clawback], *, to: Account) -> None:
    """Take money of holds back to the account that funded them, in the order given.

    From what was already released it comes out of the payee's balance, and what that does not cover becomes their debt.
    Raises asyncpg's UniqueViolationError when a reason took from the same hold before.
    """
    if not taken:
        return
    sources, source_ids = sorted({one.source for one in taken}), list({one.source_id for one in taken})
    locked = await _LOCK.all(session, sources=sources, source_ids=source_ids)
    holds = {(row.source, row.source_id, row.payee_id): row for row in locked}
    by_hold: defaultdict[UUID, int] = defaultdict(int)
    takings = []
    for one in taken:
        held = holds[one.source, one.source_id, one.payee_id]
        by_hold[held.id] += one.amount_fen
        takings.append((held, _InsertClawback(new_id(), held.id, one.reason_id, one.amount_fen)))
    await _INSERT_CLAWBACKS.run(session, [row for _, row in takings])
    changed = [row for row in locked if row.id in by_hold]
    await _TAKE.run(
        session,
        ids=[row.id for row in changed],
        clawed_back_fen=[row.clawed_back_fen + by_hold[row.id] for row in changed],
    )
    await _post_taken(session, takings, to)


async def _post_taken(session: Session, takings: Sequence[tuple[HoldRow, _InsertClawback]], to: Account) -> None:
    """One transfer each; those of released holds one after the other, since each sees what the last one left."""
    moves: defaultdict[str, list[Move]] = defaultdict(list)
    for held, row in takings:
        kind = _clawed_back(held.source)
        if held.status is HoldStatus.RELEASED:
            entries = [*await _from_balance(session, held, row), ledger.credit(to, row.amount_fen, held.source_id)]
            await ledger.post(session, Transfer(held.book, kind, str(row.id), entries))
        else:
            moves[kind].append(
                Move(
                    book=held.book,
                    key=str(row.id),
                    subject=held.source_id,
                    owner=held.payee_id,
                    amount_fen=row.amount_fen,
                )
            )
    for kind, alike in moves.items():
        await ledger.post_moves(session, alike, kind=kind, debit=Account.PAYEE_HELD, credit=to)


async def _from_balance(session: Session, held: HoldRow, taking: _InsertClawback) -> list[Entry]:
    available_fen = await ledger.lock_balance(session, Account.PAYEE_AVAILABLE, book=held.book, owner=held.payee_id)
    from_balance_fen = min(taking.amount_fen, available_fen)
    return [
        ledger.debit(Account.PAYEE_AVAILABLE, from_balance_fen, held.source_id, held.payee_id),
        ledger.debit(Account.PAYEE_DEBT, taking.amount_fen - from_balance_fen, held.source_id, held.payee_id),
    ]


async def holds_of(session: Session, source: str, source_ids: Sequence[UUID]) -> dict[UUID, list[HoldRow]]:
    """The holds of a source's things, by the thing; one without a hold is left out."""
    found: defaultdict[UUID, list[HoldRow]] = defaultdict(list)
    for row in await _OF_SOURCE.all(session, source=source, source_ids=source_ids):
        found[row.source_id].append(row)
    return dict(found)


async def clawbacks_of(session: Session, source: str, source_id: UUID, *, limit: int = 100) -> list[ClawbackRow]:
    """What was taken back of the holds of a source's thing, oldest first."""
    return await _CLAWBACKS.all(session, source=source, source_id=source_id, limit=limit)


async def list_holds(
    session: Session, paging: Paging, id_type: object, payee_id: UUID, source: str, *, status: HoldStatus | None
) -> Rows[HoldRow]:
    """A payee's holds from one source, newest thing first; the cursor is the thing's id, of `id_type`."""
    return await paging.rows(
        session, id_type, _LIST, key=lambda row: row.source_id, payee_id=payee_id, source=source, status=status
    )
