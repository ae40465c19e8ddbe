"""Refunds as their readers see them; the reader's scope is part of every query."""

from uuid import UUID

import asyncpg

from app.core import db
from app.core.auth import Actor
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.mall.orders.reading import reach_of
from app.mall.orders.schemas import RefundStatus, RefundView

_REFUNDS = """
SELECT r.*, r.order_id AS "order",
       (SELECT coalesce(jsonb_agg(jsonb_build_object('line', l.line_id, 'quantity', l.quantity, 'amount_fen', l.amount_fen,
                                                     'restocked_quantity', l.restocked_quantity) ORDER BY l.line_id), '[]')
        FROM mall_refund_line l WHERE l.refund_id = r.id) AS lines
FROM mall_refund r JOIN mall_order o ON o.id = r.order_id
"""


async def agreed_refund(session: AsyncSession, refund_id: UUID) -> RefundView:
    """A refund with its lines. Raises NotFound."""
    row = await db.fetchrow(session, f"{_REFUNDS} WHERE r.id = $1", refund_id)
    if row is None:
        raise NotFound
    return _view(row)


async def refunds_of_customer(
    session: AsyncSession, customer_id: UUID, order_id: UUID, *, after: UUID | None, limit: int
) -> list[RefundView]:
    """Refunds of one's own order, newest first. Raises NotFound, also for somebody else's order."""
    own = await db.fetchval(
        session, "SELECT 1 FROM mall_order WHERE id = $1 AND customer_id = $2", order_id, customer_id
    )
    if own is None:
        raise NotFound
    rows = await db.fetch(
        session,
        f"{_REFUNDS} WHERE r.order_id = $1 AND ($2::uuid IS NULL OR r.id < $2) ORDER BY r.id DESC LIMIT $3",
        order_id,
        after,
        limit,
    )
    return [_view(row) for row in rows]


async def refunds_in_scope(
    session: AsyncSession,
    actor: Actor,
    *,
    order_id: UUID | None,
    status: RefundStatus | None,
    after: UUID | None,
    limit: int,
) -> list[RefundView]:
    """Refunds of the orders that a staff member reaches, newest first."""
    condition, reach = reach_of(actor)
    rows = await db.fetch(
        session,
        f"""{_REFUNDS} WHERE {condition} AND ($2::uuid IS NULL OR r.order_id = $2) AND ($3::text IS NULL OR r.status = $3)
            AND ($4::uuid IS NULL OR r.id < $4) ORDER BY r.id DESC LIMIT $5""",
        reach,
        order_id,
        status.value if status else None,
        after,
        limit,
    )
    return [_view(row) for row in rows]


def _view(row: asyncpg.Record) -> RefundView:
    lines = [{**line, "line": UUID(line["line"])} for line in row["lines"]]
    return RefundView.model_validate({**row, "lines": lines})
