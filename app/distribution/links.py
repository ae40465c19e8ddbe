"""What distributors' links sold, whatever it earned."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.core import db
from app.core.db import AsyncSession
from app.mall import OrderPaid


@dataclass(frozen=True, slots=True)
class LinkSales:
    """The orders that a link brought, and the goods paid in them before refunds."""

    orders: int
    paid_fen: int


NO_SALES = LinkSales(orders=0, paid_fen=0)


async def record(session: AsyncSession, orders: Sequence[OrderPaid]) -> None:
    """Write down every paid line whose distributor won it by a link. A fact that was recorded before breaks a UNIQUE."""
    rows = [
        (line.line_id, order.order_id, line.credit.distributor_id, line.credit.touchpoint_id, line.goods_paid_fen)
        for order in orders
        for line in order.lines
        if line.credit.distributor_id is not None and line.credit.touchpoint_id is not None
    ]
    if rows:
        await db.execute(
            session,
            """INSERT INTO distribution_link_sale (line_id, order_id, distributor_id, touchpoint_id, goods_paid_fen)
               SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[])""",
            *(list(column) for column in zip(*rows, strict=True)),
        )


async def sales_of(session: AsyncSession, touchpoint_ids: Collection[UUID]) -> dict[UUID, LinkSales]:
    """Sales by link; one that sold nothing is left out."""
    rows = await db.fetch(
        session,
        """SELECT touchpoint_id, count(DISTINCT order_id) AS orders, sum(goods_paid_fen)::bigint AS paid_fen
           FROM distribution_link_sale WHERE touchpoint_id = ANY($1) GROUP BY touchpoint_id""",
        list(touchpoint_ids),
    )
    return {row["touchpoint_id"]: LinkSales(row["orders"], row["paid_fen"]) for row in rows}
