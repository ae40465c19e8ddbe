"""Timed work of live rooms: closing unpaid tips, keeping the counts of the moment."""

from functools import partial

from app.core import sweeps
from app.core.jobs import Cron, Job
from app.core.runtime import Runtime
from app.live import flows, tips


async def close_expired(runtime: Runtime) -> None:
    """Close unpaid tips whose time is over."""
    await sweeps.visit(runtime, "live.close_expired", due=tips.expired, act=partial(flows.close_tip, runtime))


JOBS: list[Job] = []
CRONS = [
    Cron("live.close_expired", "* * * * * */10", close_expired),
    Cron("live.keep_counts", "* * * * *", flows.keep_counts),
]
