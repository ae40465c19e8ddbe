"""What nobody needs any more is deleted: old idempotency keys, spent refresh tokens, the job queue's diary."""

from app.core import idempotency, jobs
from app.core.auth import families
from app.core.jobs import Cron
from app.core.runtime import Runtime


async def sweep(runtime: Runtime) -> None:
    """One bounded piece of each, every few minutes."""
    async with runtime.db.transaction() as session:
        await idempotency.sweep(session)
    async with runtime.db.transaction() as session:
        await families.sweep(session)
    async with runtime.db.transaction() as session:
        await jobs.sweep(session)


CRONS = [Cron("core.housekeeping", "*/5 * * * *", sweep)]
