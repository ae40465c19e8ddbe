"""The mall's sweeps: orders whose time is over."""

from functools import partial

from app.core import sweeps
from app.core.jobs import Cron, Job
from app.core.runtime import Runtime
from app.mall.orders import closing, flows


async def close_expired(runtime: Runtime) -> None:
    """Close what was not paid in time. WeChat is asked first, so a payment whose notification was lost is found."""
    await sweeps.visit(
        runtime,
        "mall.close_expired",
        due=closing.expired_orders,
        act=partial(flows.close_order, runtime, reason="expired"),
    )


JOBS: list[Job] = []
CRONS = [Cron("mall.close_expired", "* * * * * */10", close_expired)]
