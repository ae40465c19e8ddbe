"""What distributors' links sold, whatever it earned."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.db import BulkInsert, Session, Statement
from app.distribution.models import LinkSale, LinkTotal
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
_ADD = BulkInsert(
    LinkTotal,
    LinkSales,
    conflict="""ON CONFLICT (touchpoint_id) DO UPDATE
        SET orders = distribution_link_total.orders + excluded.orders,
            paid_fen = distribution_link_total.paid_fen + excluded.paid_fen""",
)
_SALES = Statement(
    "SELECT touchpoint_id, orders, paid_fen FROM distribution_link_total WHERE touchpoint_id = ANY(:touchpoint_ids)",
    LinkSales,
)


async def record(session: Session, orders: Sequence[OrderPaid]) -> None:
    """Write down every paid line whose distributor won it by a link, and add it to the link's total.

    Raises asyncpg's UniqueViolationError for an order that was recorded before.
    """
    sales = [
        _Sale(line.line_id, order.order_id, line.credit.touchpoint_id, line.goods_paid_fen)
        for order in orders
        for line in order.lines
        if line.credit.distributor_id is not None and line.credit.touchpoint_id is not None
    ]
    await _INSERT.run(session, sales)
    await _ADD.run(session, _totals(sales))


def _totals(sales: Sequence[_Sale]) -> list[LinkSales]:
    """What each link sold, in one order, so that two batches never wait for each other in a ring."""
    sold: defaultdict[UUID, list[_Sale]] = defaultdict(list)
    for sale in sales:
        sold[sale.touchpoint_id].append(sale)
    return [
        LinkSales(
            touchpoint_id=touchpoint_id,
            orders=len({sale.order_id for sale in sold[touchpoint_id]}),
            paid_fen=sum(sale.goods_paid_fen for sale in sold[touchpoint_id]),
        )
        for touchpoint_id in sorted(sold)
    ]


async def sales_of(session: Session, touchpoint_ids: Sequence[UUID]) -> dict[UUID, LinkSales]:
    """Sales by link; one that sold nothing is left out."""
    return {sales.touchpoint_id: sales for sales in await _SALES.all(session, touchpoint_ids=touchpoint_ids)}
