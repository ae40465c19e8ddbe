"""The auditor: every room's invariants on one database, for `siyu audit` and the end of every fault test."""

from app.core import db
from app.core.db import Database
from app.rooms import AUDITS


async def run_audit(database: Database) -> dict[str, list[str]]:
    """Breaches by room, all empty when everything balances.

    Each room is read in one snapshot of its own, however long that takes, so it may run while the system works; what the
    log has not yet delivered is not a breach.
    """
    breaches: dict[str, list[str]] = {}
    for room, audit in AUDITS.items():
        async with database.transaction() as session:
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            await db.execute(session, "SET LOCAL statement_timeout = 0")
            breaches[room] = await audit(session)
    return breaches
