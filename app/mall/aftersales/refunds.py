"""Refunds of paid orders: agreed in one transaction, from stock to books to log; sent by payments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from app import attribution, ledger, payments
from app.attribution import LineCredit
from app.core import auth, events
from app.core.auth import Actor
from app.core.db import BulkInsert, Session, Statement
from app.core.errors import NotFound
from app.ledger import Account, Transfer
from app.mall import catalog, orders
from app.mall.aftersales import models
from app.mall.aftersales.errors import NothingToRefund, RefundFault, RefundNotSensible
from app.mall.aftersales.events import RefundAgreed, RefundedLine, RefundPaid
from app.mall.aftersales.rules import refund_of_units
from app.mall.aftersales.schemas import RefundCreate, RefundLineRequest
from app.mall.orders import LineRefund, LineRow, Order, OrderStatus


@dataclass(frozen=True, slots=True)
class _Part:
    line: LineRow
    units: int
    restocked: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class _Agreed:
    """What is refunded of an order, and who was credited for its lines."""

    refund_id: UUID
    order: Order
    request: RefundCreate
    parts: Sequence[_Part]
    amount_fen: int
    credit_of: Mapping[UUID, LineCredit]


class _LineInsert(msgspec.Struct, frozen=True):
    refund_id: UUID
    line_id: UUID
    quantity: int
    restocked_quantity: int
    amount_fen: int


_INSERT = Statement(
    """INSERT INTO mall_refund (id, order_id, scope_path, guide_ids, status, amount_fen, freight_fen, reason, agreed_by,
                               paid_at)
       SELECT :id, :order_id, :scope_path, :guide_ids::uuid[],
              CASE WHEN :amount_fen::bigint = 0 THEN 'paid' ELSE 'agreed' END, :amount_fen, :freight_fen, :reason,
              :agreed_by, CASE WHEN :amount_fen = 0 THEN clock_timestamp() END
       RETURNING agreed_at""",
    datetime,
)
_INSERT_LINES = BulkInsert(models.RefundLine, _LineInsert)
_ORDER_OF = Statement("SELECT order_id FROM mall_refund WHERE id = :refund_id", UUID)
_PAID_OUT = Statement(
    """UPDATE mall_refund SET status = 'paid', paid_at = clock_timestamp()
       WHERE id = :refund_id AND status <> 'paid' RETURNING amount_fen""",
    int,
)
_STUCK = Statement("UPDATE mall_refund SET status = 'stuck' WHERE id = :refund_id AND status = 'agreed'")


async def agree(session: Session, actor: Actor, *, refund_id: UUID, order_id: UUID, request: RefundCreate) -> None:
    """Owe a refund from now on; payments sends it after the commit. Goods may come back after their money went: a refund
    that comes to 0 restocks them and is done.

    Raises Unauthenticated when the actor's login has ended, NotFound outside its scope, NothingToRefund, RefundExceedsPaid, RefundsExhausted, RefundTooLate, and
    RefundNotSensible for a line that asks for more than is left; then nothing is written.
    """
    order = await orders.lock(session, order_id, **orders.reach_of(actor))
    await auth.require_manager(session, actor, order.row.scope_path)
    if order.row.status is not OrderStatus.PAID:
        raise NothingToRefund
    parts = _parts(order, request)
    freight_left = order.row.freight_fen - order.row.freight_refunded_fen
    if request.freight_fen > freight_left:
        raise RefundNotSensible(fault=RefundFault.TOO_MUCH, left_fen=freight_left)
    amount_fen = sum(part.amount_fen for part in parts) + request.freight_fen
    if not parts and amount_fen == 0:
        raise RefundNotSensible(fault=RefundFault.NOTHING)
    await orders.count_refund(
        session,
        order_id,
        [LineRefund(part.line.id, part.units, part.restocked, part.amount_fen) for part in parts],
        freight_fen=request.freight_fen,
        amount_fen=amount_fen,
    )
    agreed = _Agreed(refund_id, order, request, parts, amount_fen, await attribution.credits_of(session, [order_id]))
    agreed_at = await _write(session, actor.id, agreed)
    await _owe(session, agreed)
    returned = {part.line.sku_id: part.restocked for part in parts if part.restocked}
    if returned:
        await catalog.restock(session, order.row.place_id, returned)
    await _tell(session, agreed, agreed_at)


def _parts(order: Order, request: RefundCreate) -> list[_Part]:
    by_id = {line.id: line for line in order.lines}
    if len({line.line for line in request.lines}) < len(request.lines):
        raise RefundNotSensible(fault=RefundFault.LINE_REPEATED)
    parts = []
    for requested in request.lines:
        line = by_id.get(requested.line)
        if line is None:
            raise NotFound
        parts.append(_part(line, requested))
    return parts


def _part(line: LineRow, requested: RefundLineRequest) -> _Part:
    left_fen = line.goods_paid_fen - line.refunded_fen
    left_units = line.quantity - line.refunded_quantity
    if (requested.quantity is None) == (requested.amount_fen is None):
        raise RefundNotSensible(fault=RefundFault.QUANTITY_OR_AMOUNT, line=line.id)
    if requested.quantity is None:
        assert requested.amount_fen is not None
        if requested.restock:
            raise RefundNotSensible(fault=RefundFault.RESTOCK_WITHOUT_QUANTITY, line=line.id)
        if requested.amount_fen > left_fen:
            raise RefundNotSensible(fault=RefundFault.TOO_MUCH, line=line.id, left_fen=left_fen)
        return _Part(line, 0, 0, requested.amount_fen)
    if requested.quantity > left_units:
        raise RefundNotSensible(fault=RefundFault.TOO_MUCH, line=line.id, left_quantity=left_units)
    worth_fen = refund_of_units(
        paid_fen=line.goods_paid_fen,
        quantity=line.quantity,
        refunded_quantity=line.refunded_quantity,
        units=requested.quantity,
    )
    # Earlier refunds by amount may have left less than the units are worth.
    amount_fen = min(worth_fen, left_fen)
    if amount_fen == 0 and not requested.restock:
        raise RefundNotSensible(fault=RefundFault.NOTHING, line=line.id, left_fen=left_fen)
    return _Part(line, requested.quantity, requested.quantity if requested.restock else 0, amount_fen)


async def _write(session: Session, staff_id: UUID, agreed: _Agreed) -> datetime:
    agreed_at = await _INSERT.one(
        session,
        id=agreed.refund_id,
        order_id=agreed.order.id,
        scope_path=agreed.order.row.scope_path,
        guide_ids=sorted({credit.guide_id for credit in agreed.credit_of.values() if credit.guide_id is not None}),
        amount_fen=agreed.amount_fen,
        freight_fen=agreed.request.freight_fen,
        reason=agreed.request.reason,
        agreed_by=staff_id,
    )
    _INSERT_LINES.later(
        session,
        [
            _LineInsert(agreed.refund_id, part.line.id, part.units, part.restocked, part.amount_fen)
            for part in agreed.parts
        ],
    )
    return agreed_at


async def _owe(session: Session, agreed: _Agreed) -> None:
    """Before receipt nothing was earned yet: what was prepaid becomes owed."""
    if agreed.amount_fen == 0:
        return
    order = agreed.order
    assert order.row.charge_id is not None, "a paid order has its charge"
    await payments.request_refund(
        session,
        refund_id=agreed.refund_id,
        charge_id=order.row.charge_id,
        amount_fen=agreed.amount_fen,
        reason=agreed.request.reason,
    )
    await ledger.post(
        session,
        Transfer(
            book=order.row.book,
            kind="refund_agreed",
            key=str(agreed.refund_id),
            entries=[
                ledger.debit(Account.CUSTOMER_PREPAID, agreed.amount_fen, order.id),
                ledger.credit(Account.REFUNDS_DUE, agreed.amount_fen, agreed.refund_id),
            ],
        ),
    )


async def _tell(session: Session, agreed: _Agreed, agreed_at: datetime) -> None:
    row = agreed.order.row
    await events.publish(
        session,
        RefundAgreed(
            refund_id=agreed.refund_id,
            order_id=row.id,
            customer_id=row.customer_id,
            book=row.book,
            scope_path=row.scope_path,
            placed_at=row.placed_at,
            agreed_at=agreed_at,
            amount_fen=agreed.amount_fen,
            freight_fen=agreed.request.freight_fen,
            lines=tuple(_refunded(part, agreed.credit_of[part.line.id]) for part in agreed.parts),
        ),
    )


def _refunded(part: _Part, credit: LineCredit) -> RefundedLine:
    return RefundedLine(
        line_id=part.line.id,
        product_id=part.line.product_id,
        sku_id=part.line.sku_id,
        quantity=part.units,
        restocked=part.restocked > 0,
        amount_fen=part.amount_fen,
        goods_paid_fen=part.line.goods_paid_fen,
        refunded_before_fen=part.line.refunded_fen,
        credit=credit,
    )


async def mark_paid_out(session: Session, refund_id: UUID) -> None:
    """WeChat sent the money of an agreed refund. An automatic refund of late money has no row here and is passed over."""
    order_id = await _ORDER_OF.first(session, refund_id=refund_id)
    if order_id is None:
        return
    await orders.lock(session, order_id)
    amount_fen = await _PAID_OUT.first(session, refund_id=refund_id)
    if amount_fen is not None:
        await events.publish(session, RefundPaid(refund_id=refund_id, order_id=order_id, amount_fen=amount_fen))


async def mark_stuck(session: Session, refund_id: UUID) -> None:
    """WeChat could not send it; a person has to act."""
    await _STUCK.run(session, refund_id=refund_id)
