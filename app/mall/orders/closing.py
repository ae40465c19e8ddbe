"""Closing unpaid orders: the stock goes back, and no money may be left on its way unseen."""

from collections.abc import Collection
from uuid import UUID

from app import payments
from app.core import db, events
from app.core.db import AsyncSession
from app.mall.catalog import stock
from app.mall.events import OrderClosed
from app.mall.orders.payment import lock_order


async def close(session: AsyncSession, order_id: UUID, *, reason: str, closed_at_wechat: Collection[UUID]) -> bool:
    """Close an unpaid order whose open charges the caller has closed at WeChat; False when that is not possible now.

    It is not when the order is no longer unpaid, or when a charge was opened meanwhile that WeChat still takes.
    """
    order = await lock_order(session, order_id)
    if order.row["status"] != "unpaid":
        return False
    open_charges = await payments.open_charges(session, order_id)
    if any(charge.id not in closed_at_wechat for charge in open_charges):
        return False
    for charge in open_charges:
        await payments.close_charge(session, charge.id)
    await db.execute(
        session,
        """UPDATE mall_order SET status = 'closed', closed_at = clock_timestamp(), close_reason = $2
           WHERE id = $1 AND status = 'unpaid'""",
        order_id,
        reason,
    )
    await stock.release(session, order.row["place_id"], order.quantities)
    await events.publish(session, OrderClosed(order_id=order_id, customer_id=order.row["customer_id"], reason=reason))
    return True


async def expired_orders(session: AsyncSession, after: UUID | None, limit: int) -> list[UUID]:
    """Unpaid orders whose time is over by the database's clock, by id."""
    rows = await db.fetch(
        session,
        """SELECT id FROM mall_order WHERE status = 'unpaid' AND expires_at <= clock_timestamp()
             AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2""",
        after,
        limit,
    )
    return [row["id"] for row in rows]
