"""Timed work of live rooms: closing unpaid tips, keeping the counts of the moment."""

from app.core.jobs import Cron, Job
from app.core.runtime import Runtime
from app.live import flows


async def sweep_tips(runtime: Runtime) -> None:
    """Close unpaid tips whose time is over."""
    await flows.close_expired(runtime)


JOBS: list[Job] = []
CRONS = [
    Cron("live.sweep_tips", "* * * * * */10", sweep_tips),
    Cron("live.keep_counts", "* * * * *", flows.keep_counts),
]
