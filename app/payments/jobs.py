"""Remote work of payments: sending refunds, and looking after those that WeChat has not finished."""

from functools import partial
from typing import Any
from uuid import UUID

from app.core import sweeps
from app.core.jobs import Cron, Job
from app.core.runtime import Runtime
from app.payments import flows, refunds


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


JOBS = [Job(refunds.SEND_REFUND, _send, max_attempts=20)]
CRONS = [Cron("payments.sweep_refunds", "* * * * * */30", sweep_refunds)]
