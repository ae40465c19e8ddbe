"""The mall's sweeps: orders and charges whose time is over."""

from functools import partial

from app import payments
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


async def close_charges(runtime: Runtime) -> None:
    """Close charges that were left open: an order that another charge paid, or that closed, no longer looks after them."""
    await sweeps.visit(
        runtime,
        "mall.close_charges",
        due=partial(payments.overdue_charges, kind=payments.SubjectKind.ORDER),
        act=partial(flows.close_charge, runtime),
    )


JOBS: list[Job] = []
CRONS = [
    Cron("mall.close_expired", "* * * * * */10", close_expired),
    Cron("mall.close_charges", "* * * * * */30", close_charges),
]
