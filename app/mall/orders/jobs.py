"""The sweep of orders whose time is over."""

from functools import partial

from app.core import sweeps
from app.core.jobs import Cron
from app.core.runtime import Runtime
from app.mall.orders import closing, flows
from app.mall.orders.schemas import CloseReason


async def close_expired(runtime: Runtime) -> None:
    """Close what was not paid in time. WeChat is asked first, so a payment whose notification was lost is found."""
    await sweeps.visit(
        runtime,
        "mall.close_expired",
        due=closing.expired_orders,
        act=partial(flows.close_order, runtime, reason=CloseReason.TIMEOUT),
    )


TIMERS = [Cron("mall.close_expired", "* * * * * */10", close_expired)]
