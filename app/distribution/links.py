"""What distributors' links sold, whatever it earned."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.db import BulkInsert, Session, Statement
from app.distribution.models import LinkSale
from app.mall.orders import OrderPaid


class _Sale(msgspec.Struct, frozen=True):
    line_id: UUID
    order_id: UUID
    touchpoint_id: UUID
    goods_paid_fen: int


class LinkSales(msgspec.Struct, frozen=True, kw_only=True):
    """The orders that a link brought, and the goods paid in them before refunds."""

    touchpoint_id: UUID
    orders: int
    paid_fen: int


_INSERT = BulkInsert(LinkSale, _Sale)
_SALES = Statement(
    """SELECT touchpoint_id, count(DISTINCT order_id) AS orders, sum(goods_paid_fen)::bigint AS paid_fen
       FROM distribution_link_sale WHERE touchpoint_id = ANY(:touchpoint_ids) GROUP BY touchpoint_id""",
    LinkSales,
    custom_plan=True,
)


async def record(session: Session, orders: Sequence[OrderPaid]) -> None:
    """Write down every paid line whose distributor won it by a link.

    Raises asyncpg's UniqueViolationError for an order that was recorded before.
    """
    await _INSERT.run(
        session,
        [
            _Sale(line.line_id, order.order_id, line.credit.touchpoint_id, line.goods_paid_fen)
            for order in orders
            for line in order.lines
            if line.credit.distributor_id is not None and line.credit.touchpoint_id is not None
        ],
    )


async def sales_of(session: Session, touchpoint_ids: Sequence[UUID]) -> dict[UUID, LinkSales]:
    """Sales by link; one that sold nothing is left out."""
    return {sales.touchpoint_id: sales for sales in await _SALES.all(session, touchpoint_ids=touchpoint_ids)}
