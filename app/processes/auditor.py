"""The auditor: every module's invariants on one database, for `siyu audit` and the end of every fault test."""

from app import modules
from app.core.db import Database


async def run_audit(database: Database) -> dict[str, list[str]]:
    """Breaches by module, all empty when everything balances.

    Each module is read in one snapshot of its own, however long that takes, so it may run while the system works; what the
    log has not yet delivered is not a breach.
    """
    breaches: dict[str, list[str]] = {}
    for module, audits in modules.audits().items():
        async with database.transaction(snapshot=True) as session:
            breaches[module] = [breach for audit in audits for breach in await audit(session)]
    return breaches
