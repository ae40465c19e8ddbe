"""Rows that wait: written together, before anything else is read or written, and not at all when nothing is committed."""

from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.core.db import BulkInsert, Database, Session, savepoint
from app.core.ids import new_id
from app.ledger.models import LedgerEntry, LedgerTransfer
from tests import sql
from tests.audit import count


class TransferRow(msgspec.Struct, frozen=True):
    id: UUID
    kind: str
    key: str


class EntryRow(msgspec.Struct, frozen=True):
    transfer_id: UUID
    book: str
    unit: str
    account: str
    subject: UUID
    amount_fen: int


TRANSFERS = BulkInsert(LedgerTransfer, TransferRow)
ENTRIES = BulkInsert(LedgerEntry, EntryRow)
WRITTEN = "SELECT count(*) FROM ledger_transfer WHERE kind = 'charge_paid'"


def post(session: Session, key: str) -> None:
    """Entries first: neither the order of calls nor that of tables matters."""
    transfer_id, subject = new_id(), new_id()
    sides = (("wechat_pending", 5), ("customer_prepaid", -5))
    ENTRIES.later(
        session, [EntryRow(transfer_id, "brand", "CNY_FEN", account, subject, amount) for account, amount in sides]
    )
    TRANSFERS.later(session, [TransferRow(transfer_id, "charge_paid", key)])


async def test_what_waits_is_written_by_one_statement_at_the_commit(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute = Session.execute

    async def noted(self: Session, text: str, *args: object, **options: object) -> int:
        statements.append(text)
        return await execute(self, text, *args, **options)

    monkeypatch.setattr(Session, "execute", noted)
    async with db.transaction() as session:
        post(session, "a")
        post(session, "b")
        assert statements == []
    assert len(statements) == 1
    assert await count(db, WRITTEN) == 2
    assert await count(db, "SELECT count(*) FROM ledger_entry") == 4


async def test_the_next_statement_sees_what_waited(db: Database) -> None:
    async with db.transaction() as session:
        post(session, "a")
        assert await sql.fetchval(session, WRITTEN) == 1
        post(session, "b")
        assert await sql.execute(session, "UPDATE event_outbox SET type = type") == 0
        assert session.pending is None
    assert await count(db, WRITTEN) == 2


async def test_nothing_is_written_when_the_block_raises(db: Database) -> None:
    with pytest.raises(LookupError):
        async with db.transaction() as session:
            post(session, "a")
            raise LookupError
    assert await count(db, WRITTEN) == 0


async def test_a_savepoint_takes_back_its_own_and_no_more(db: Database) -> None:
    async with db.transaction() as session:
        post(session, "before")
        with pytest.raises(LookupError):
            async with savepoint(session):
                post(session, "inside")
                raise LookupError
        async with savepoint(session):
            post(session, "kept")
    async with db.transaction() as session:
        keys = await sql.fetch(session, "SELECT key FROM ledger_transfer WHERE kind = 'charge_paid' ORDER BY key")
    assert [row["key"] for row in keys] == ["before", "kept"]


async def test_a_broken_constraint_is_raised_where_the_rows_are_written(db: Database) -> None:
    async with db.transaction() as session:
        post(session, "a")
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction() as session:
            post(session, "a")
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction() as session:
            post(session, "a")
            await sql.fetchval(session, "SELECT 1")
    async with db.transaction() as session:
        with pytest.raises(asyncpg.UniqueViolationError):
            async with savepoint(session):
                post(session, "a")
        post(session, "b")
    assert await count(db, WRITTEN) == 2


async def test_a_statement_alone_leaves_nothing_for_later(db: Database) -> None:
    with pytest.raises(AssertionError):
        async with db.alone() as session:
            post(session, "a")
    assert await count(db, WRITTEN) == 0
