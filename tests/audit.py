"""The auditor, as every test that moves money ends in it."""

import asyncio
import contextlib

from app import modules
from app.core.db import Database
from tests import sql


async def audit(db: Database) -> list[str]:
    """Every breach of every module's invariants."""
    breaches = []
    for checks in modules.audits().values():
        for check in checks:
            async with db.transaction() as session:
                breaches += await check(session)
    return breaches


async def refunds_due(db: Database) -> int:
    """What the brand still owes to payers, in fen."""
    async with db.transaction() as session:
        owed = await sql.fetchval(
            session, "SELECT coalesce(-sum(amount_fen), 0)::bigint FROM ledger_entry WHERE account = 'refunds_due'"
        )
    return int(owed)


async def count(db: Database, query: str, *args: object) -> int:
    """The number that a query answers."""
    async with db.transaction() as session:
        return int(await sql.fetchval(session, query, *args))


async def events(db: Database, kind: str) -> int:
    """How many events of a type were published, numbered or not."""
    return await count(
        db,
        """SELECT (SELECT count(*) FROM event WHERE type = $1) + (SELECT count(*) FROM event_outbox WHERE type = $1)""",
        kind,
    )


async def becomes(db: Database, query: str, expected: int) -> None:
    """Wait until a query answers that number; other processes or tasks are at work on it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(40):
            while await count(db, query) != expected:  # noqa: ASYNC110  a table
                await asyncio.sleep(0.05)
    assert await count(db, query) == expected
