"""What nobody needs any more is deleted: old idempotency keys, ended logins, replayed events, the job queue's log."""

from collections.abc import Awaitable, Callable

from app.core import idempotency, jobs
from app.core.auth import families
from app.core.db import Session
from app.core.events import dead_letters
from app.core.jobs import Cron
from app.core.runtime import Runtime

Forget = Callable[[Session], Awaitable[int]]
"""Deletes one bounded batch of what has had its time; how many rows."""

FORGET: list[Forget] = [idempotency.sweep, families.sweep, dead_letters.sweep, jobs.sweep_log, jobs.sweep_done]
_BATCHES = 100


async def sweep(runtime: Runtime) -> None:
    """Forget everything that is due, batch by batch, each in its own transaction; what is too much waits for the next."""
    for forget in FORGET:
        for _ in range(_BATCHES):
            async with runtime.db.transaction() as session:
                forgotten = await forget(session)
            if not forgotten:
                break


TIMERS = [Cron("core.housekeeping", "*/5 * * * *", sweep)]
