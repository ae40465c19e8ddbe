"""The mall's sweeps: orders whose time is over."""

import structlog

from app.core.errors import AppError
from app.core.jobs import Cron, Job
from app.core.runtime import Runtime
from app.mall.orders import closing, flows

log = structlog.get_logger(__name__)


async def close_expired(runtime: Runtime) -> None:
    """Close what was not paid in time. WeChat is asked first, so a payment whose notification was lost is found."""
    async with runtime.db.transaction() as session:
        expired = await closing.expired_orders(session, limit=200)
    for order_id in expired:
        try:
            await flows.close_order(runtime, order_id, reason="expired")
        except AppError as error:
            log.warning("order_stays_open", order=str(order_id), code=error.code())


JOBS: list[Job] = []
CRONS = [Cron("mall.close_expired", "* * * * * */10", close_expired)]
