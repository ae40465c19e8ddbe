"""Remote work of payments: sending refunds, and looking after those that WeChat has not finished."""

from typing import Any
from uuid import UUID

import structlog

from app.core.errors import AppError
from app.core.jobs import Cron, Job
from app.core.runtime import Runtime
from app.payments import flows, refunds

log = structlog.get_logger(__name__)


async def _send(runtime: Runtime, arguments: dict[str, Any]) -> None:
    await flows.send_refund(runtime, UUID(arguments["refund"]))


async def sweep_refunds(runtime: Runtime) -> None:
    """Ask about refunds that have been open for a minute: notifications are not promised."""
    async with runtime.db.transaction() as session:
        waiting = await refunds.unfinished_refunds(session, limit=100)
    for refund_id in waiting:
        try:
            await flows.send_refund(runtime, refund_id)
        except AppError as error:
            log.warning("refund_waits", refund=str(refund_id), code=error.code())


JOBS = [Job(refunds.SEND_REFUND, _send, max_attempts=20)]
CRONS = [Cron("payments.sweep_refunds", "* * * * * */30", sweep_refunds)]
