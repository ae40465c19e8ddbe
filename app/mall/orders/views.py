"""Orders as their readers see them; the reader's scope is part of every query."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from app import attribution, payments
from app.attribution import LineCredit
from app.core.auth import Actor
from app.core.db import Session
from app.core.ids import OrderId, wire
from app.core.paging import Page, Paging
from app.mall.catalog import StoreLabel
from app.mall.orders.records import LineRow, Order, OrderRow, listing_of, reach_of, read, whole
from app.mall.orders.schemas import (
    Awaiting,
    Discount,
    FulfilmentView,
    LineCreditView,
    LineView,
    OrderAction,
    OrderPaymentView,
    OrderStatus,
    OrderView,
    PaymentPart,
    RefundTotal,
    WechatReference,
)
from app.payments import RefundByItself


async def order_of_customer(session: Session, customer_id: UUID, order_id: UUID) -> OrderView:
    """A customer's own order. Raises NotFound, also for somebody else's."""
    order = await read(session, order_id, customer_id=customer_id)
    sent_back = await _sent_back(session, [order.row])
    return buyers_view(order, sent_back.get(order_id, []))


async def orders_of_customer(
    session: Session, paging: Paging, customer_id: UUID, *, status: OrderStatus | None
) -> Page[OrderView]:
    """A customer's own orders, newest first."""
    listing = listing_of({"customer_id": customer_id})
    rows = await paging.rows(session, OrderId, listing, status=status, customer_id=customer_id)
    sent_back = await _sent_back(session, rows.items)
    return rows.page([buyers_view(whole(row), sent_back.get(row.id, [])) for row in rows.items])


async def orders_in_scope(
    session: Session, paging: Paging, actor: Actor, *, status: OrderStatus | None
) -> Page[OrderView]:
    """Orders within a staff member's reach, newest first."""
    reach = reach_of(actor)
    rows = await paging.rows(session, OrderId, listing_of(reach, status), status=status, **reach)
    credit_of = await attribution.credits_of(session, [row.id for row in rows.items])
    sent_back = await _sent_back(session, rows.items)
    return rows.page([_staffs_view(whole(row), credit_of, sent_back.get(row.id, [])) for row in rows.items])


async def order_in_scope(session: Session, actor: Actor, order_id: UUID) -> OrderView:
    """An order within a staff member's reach. Raises NotFound."""
    order = await read(session, order_id, **reach_of(actor))
    credit_of = await attribution.credits_of(session, [order_id])
    sent_back = await _sent_back(session, [order.row])
    return _staffs_view(order, credit_of, sent_back.get(order_id, []))


async def _sent_back(session: Session, rows: Iterable[OrderRow]) -> Mapping[UUID, list[RefundByItself]]:
    concerned = [row.id for row in rows if row.sent_back_fen]
    return await payments.refunds_by_themselves(session, concerned) if concerned else {}


def buyers_view(order: Order, sent_back: list[RefundByItself]) -> OrderView:
    """An order as its buyer sees it."""
    return _view(order, actions=_actions(order), credit_of={}, sent_back=sent_back)


def _staffs_view(order: Order, credit_of: Mapping[UUID, LineCredit], sent_back: list[RefundByItself]) -> OrderView:
    return _view(order, actions=[], credit_of=credit_of, sent_back=sent_back)


def _view(
    order: Order,
    *,
    actions: list[OrderAction],
    credit_of: Mapping[UUID, LineCredit],
    sent_back: list[RefundByItself],
) -> OrderView:
    """The one place where an order becomes what is shown of it."""
    row = order.row
    return OrderView(
        id=row.id,
        number=row.number,
        status=row.status,
        refund_status=row.refund_status,
        awaiting=_awaiting(row.status, row.refund_status),
        actions=actions,
        store=StoreLabel(id=row.place_id, name=order.place_name),
        lines=[_line(line, credit_of.get(line.id)) for line in order.lines],
        goods_fen=row.goods_fen,
        freight_fen=row.freight_fen,
        discount_fen=row.discount_fen,
        payable_fen=row.payable_fen,
        paid_fen=row.paid_fen,
        refunded_fen=row.refunded_fen,
        fulfilment=FulfilmentView(kind=row.fulfilment.kind),
        remark=row.remark,
        placed_at=row.placed_at,
        paid_at=row.paid_at,
        closed_at=row.closed_at,
        close_reason=row.close_reason,
        expires_at=row.expires_at,
        server_now=order.now,
        payments=_payments(row),
        refunds_by_itself=sent_back,
    )


def _awaiting(status: OrderStatus, refunded: RefundTotal) -> Awaiting | None:
    if status is OrderStatus.UNPAID:
        return Awaiting.PAYMENT
    return Awaiting.FULFILMENT if status is OrderStatus.PAID and refunded is not RefundTotal.ALL else None


def _actions(order: Order) -> list[OrderAction]:
    if order.row.status is not OrderStatus.UNPAID:
        return []
    return [OrderAction.PAYMENT, OrderAction.CLOSE] if order.is_payable else [OrderAction.CLOSE]


def _line(line: LineRow, credit: LineCredit | None) -> LineView:
    return LineView(
        id=line.id,
        sku=line.sku_id,
        product=line.product_id,
        title=line.title,
        sku_title=line.sku_title,
        picture=line.picture,
        quantity=line.quantity,
        list_fen=line.list_fen,
        discounts=[Discount(kind=d.kind, title=d.title, amount_fen=d.amount_fen) for d in line.discounts],
        goods_paid_fen=line.goods_paid_fen,
        refunded_fen=line.refunded_fen,
        refunded_quantity=line.refunded_quantity,
        credit=credit and _credit(credit),
    )


def _credit(credit: LineCredit) -> LineCreditView:
    return LineCreditView(
        distributor=credit.distributor_id,
        guide=credit.guide_id,
        store=credit.store_id,
        room=credit.room_id,
        touchpoint=credit.touchpoint_id,
    )


def _payments(row: OrderRow) -> list[OrderPaymentView]:
    if row.charge_id is None:
        return []
    wechat = None
    if row.transaction_id is not None and row.mchid is not None:
        wechat = WechatReference(
            transaction_id=row.transaction_id,
            merchant_id=row.mchid,
            merchant_trade_no=wire("chg", row.charge_id),
        )
    return [OrderPaymentView(part=PaymentPart.FULL, charge=row.charge_id, amount_fen=row.paid_fen, wechat=wechat)]
