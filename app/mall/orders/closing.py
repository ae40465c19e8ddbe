"""Closing unpaid orders: the stock goes back, and no money may be left on its way unseen."""

from collections.abc import Collection
from uuid import UUID

from app import payments
from app.core import events
from app.core.db import Session, Statement
from app.mall import catalog
from app.mall.orders.events import OrderClosed
from app.mall.orders.records import lock
from app.mall.orders.schemas import CloseReason, OrderStatus

_CLOSE = Statement(
    """UPDATE mall_order SET status = 'closed', closed_at = clock_timestamp(), close_reason = :reason
       WHERE id = :order_id AND status = 'unpaid'"""
)
_EXPIRED = Statement(
    """SELECT id FROM mall_order WHERE status = 'unpaid' AND expires_at <= statement_timestamp() AND id > :after
       ORDER BY id LIMIT :limit""",
    UUID,
    custom_plan=True,
)


async def close(session: Session, order_id: UUID, *, reason: CloseReason, closed_at_wechat: Collection[UUID]) -> bool:
    """Close an unpaid order whose open charges the caller has closed at WeChat; False when that is not possible now.

    It is not when the order is no longer unpaid, or when a charge was opened meanwhile that WeChat still takes.
    """
    order = await lock(session, order_id)
    if order.row.status is not OrderStatus.UNPAID:
        return False
    if not await payments.close_charges(session, order_id, closed_at_wechat=closed_at_wechat):
        return False
    await _CLOSE.run(session, order_id=order_id, reason=reason)
    await catalog.release(session, order.row.place_id, order.quantities)
    await events.publish(session, OrderClosed(order_id=order_id, customer_id=order.row.customer_id, reason=reason))
    return True


async def expired_orders(session: Session, after: UUID, limit: int) -> list[UUID]:
    """Unpaid orders whose time is over by the database's clock, by id."""
    return await _EXPIRED.all(session, after=after, limit=limit)
