"""Timed work of live rooms: closing unpaid tips, copying the counts from Redis."""

from functools import partial

from app.core import sweeps
from app.core.jobs import Cron
from app.core.runtime import Runtime
from app.live import flows, tip_flows, tips


async def close_expired(runtime: Runtime) -> None:
    """Close unpaid tips whose time is over."""
    await sweeps.visit(runtime, "live.close_expired", due=tips.expired, act=partial(tip_flows.close_tip, runtime))


TIMERS = [
    Cron("live.close_expired", "* * * * * */10", close_expired),
    Cron("live.keep_counts", "* * * * *", flows.keep_counts),
]
