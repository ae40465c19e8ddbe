"""Refunds as their readers see them; the reader's scope is part of every query."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.auth import Actor
from app.core.db import Listing, Session, within
from app.core.errors import NotFound
from app.core.ids import RefundId
from app.core.paging import Page, Paging
from app.mall import orders
from app.mall.aftersales.schemas import RefundLineView, RefundStatus, RefundView


class _Line(msgspec.Struct, frozen=True):
    line: UUID
    quantity: int
    restocked_quantity: int
    amount_fen: int


class _Refund(msgspec.Struct, frozen=True):
    id: UUID
    order: UUID
    status: RefundStatus
    amount_fen: int
    freight_fen: int
    reason: str
    agreed_at: datetime
    paid_at: datetime | None
    lines: list[_Line]


_REFUNDS = Listing(
    """SELECT r.id, r.order_id AS "order", r.status, r.amount_fen, r.freight_fen, r.reason, r.agreed_at, r.paid_at,
              (SELECT coalesce(jsonb_agg(jsonb_build_object(
                          'line', l.line_id, 'quantity', l.quantity, 'amount_fen', l.amount_fen,
                          'restocked_quantity', l.restocked_quantity) ORDER BY l.line_id), '[]')
               FROM mall_refund_line l WHERE l.refund_id = r.id) AS lines
       FROM mall_refund r
       WHERE {filters} ORDER BY r.id DESC LIMIT :limit""",
    _Refund,
    filters={
        "scope": within("r.scope_path"),
        "guide_id": "r.guide_ids @> ARRAY[:guide_id::uuid]",
        "refund_id": "r.id = :refund_id",
        "order_id": "r.order_id = :order_id",
        "status": "r.status = :status",
        "after": "r.id < :after",
    },
)


async def agreed_refund(session: Session, refund_id: UUID) -> RefundView:
    """A refund that was just agreed, with its lines. Raises NotFound."""
    row = await _REFUNDS.first(session, refund_id=refund_id, limit=1)
    if row is None:
        raise NotFound
    return _view(row)


def _view(row: _Refund) -> RefundView:
    return RefundView(
        id=row.id,
        order=row.order,
        status=row.status,
        amount_fen=row.amount_fen,
        freight_fen=row.freight_fen,
        lines=[
            RefundLineView(
                line=line.line,
                quantity=line.quantity,
                restocked_quantity=line.restocked_quantity,
                amount_fen=line.amount_fen,
            )
            for line in row.lines
        ],
        reason=row.reason,
        agreed_at=row.agreed_at,
        paid_at=row.paid_at,
    )


async def refunds_of_customer(session: Session, paging: Paging, customer_id: UUID, order_id: UUID) -> Page[RefundView]:
    """Refunds of a customer's own order, newest first. Raises NotFound, also for somebody else's order."""
    await orders.read(session, order_id, customer_id=customer_id)
    return await paging.read(session, RefundId, _REFUNDS, view=_view, order_id=order_id)


async def refunds_in_scope(
    session: Session, paging: Paging, actor: Actor, *, order_id: UUID | None, status: RefundStatus | None
) -> Page[RefundView]:
    """Refunds of the orders that a staff member reaches, newest first."""
    reach = orders.reach_of(actor)
    return await paging.read(session, RefundId, _REFUNDS, view=_view, order_id=order_id, status=status, **reach)
