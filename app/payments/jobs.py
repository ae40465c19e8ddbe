"""Remote work of payments: sending refunds, looking after those that WeChat has not finished, closing old charges."""

from functools import partial
from typing import Any
from uuid import UUID

from app.core import sweeps
from app.core.jobs import Cron, Job
from app.core.runtime import Runtime
from app.payments import charges, flows, refunds
from app.payments.collecting import Collectors


async def _send(runtime: Runtime, arguments: dict[str, Any]) -> None:
    await flows.send_refund(runtime, UUID(arguments["refund"]))


async def sweep_refunds(runtime: Runtime) -> None:
    """Ask about refunds that have been open for a minute: notifications are not promised."""
    await sweeps.visit(
        runtime,
        "payments.sweep_refunds",
        due=refunds.unfinished_refunds,
        act=partial(flows.send_refund, runtime),
    )


async def close_charges(runtime: Runtime) -> None:
    """Close charges that were left open, and those that WeChat may have opened after they were closed: a subject that
    another charge paid, or that closed, no longer looks after them."""
    close = partial(runtime.client(Collectors).close_overdue, runtime)
    for due in (charges.overdue_charges, charges.closed_unseen_charges):
        await sweeps.visit(runtime, "payments.close_charges", due=due, act=close)


JOBS = [Job(refunds.SEND_REFUND, _send, max_attempts=20)]
TIMERS = [
    Cron("payments.sweep_refunds", "* * * * * */30", sweep_refunds),
    Cron("payments.close_charges", "* * * * * */30", close_charges),
]
