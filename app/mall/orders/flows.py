"""What needs WeChat in the middle: placing, paying, confirming and closing orders."""

from uuid import UUID

from app import payments
from app.core import idempotency
from app.core.auth import Actor
from app.core.db import Session
from app.core.idempotency import Key, Reply
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.mall.orders import closing
from app.mall.orders.checkout import Placed, place
from app.mall.orders.errors import OrderBeingPaid, OrderNotClosable, OrderNotPayable
from app.mall.orders.payment import COLLECTOR
from app.mall.orders.records import Order, read
from app.mall.orders.schemas import CloseReason, OrderCreate, OrderStatus, OrderView, PlacedView
from app.mall.orders.views import buyers_view, order_of_customer
from app.payments import Charge, PaymentView


async def place_order(runtime: Runtime, actor: Actor, key: Key, request: OrderCreate) -> Reply:
    """Place an order and prepare its payment, once per key.

    Raises LineRepeated, NotOnSale, PriceChanged, OutOfStock, OpenidMissing, UpstreamFailed, WechatRefused; after the last
    two the same key goes on.
    """
    fresh: Placed | None = None

    async def begin(session: Session, order_id: UUID) -> None:
        nonlocal fresh
        fresh = await place(session, runtime.settings, order_id=order_id, customer_id=actor.id, request=request)

    async def finish(order_id: UUID) -> Reply:
        placed = fresh or await _placed(runtime, actor, order_id)
        payment: PaymentView | None = None
        # A resumed request may find it paid or closed already.
        if placed.order.row.status is OrderStatus.UNPAID:
            payment = await COLLECTOR.prepay(runtime, placed.charge, description=_description(placed.order))
        if payment is not None:
            order = buyers_view(placed.order, sent_back=[])  # of an unpaid order nothing went back
        else:
            async with runtime.db.transaction() as session:
                order = await order_of_customer(session, actor.id, order_id)
        return Reply(201, PlacedView(order=order, payment=payment).model_dump_json().encode())

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)


async def _placed(runtime: Runtime, actor: Actor, order_id: UUID) -> Placed:
    async with runtime.db.transaction() as session:
        order = await read(session, order_id, customer_id=actor.id)
        charge: Charge | None = await payments.latest_charge(session, order_id)
    assert charge is not None, "an order is placed with its charge"
    return Placed(order, charge)


def _description(order: Order) -> str:
    return order.lines[0].title


async def pay_again(runtime: Runtime, actor: Actor, order_id: UUID) -> PaymentView:
    """The payment of an unpaid order: the same charge while it lives, else a new one.

    Raises NotFound, OrderNotPayable, UpstreamFailed, WechatRefused.
    """
    async with runtime.db.transaction() as session:
        order = await read(session, order_id, customer_id=actor.id)
    payment = await COLLECTOR.pay(runtime, order_id, description=_description(order))
    if payment is None:
        raise OrderNotPayable
    return payment


async def confirm(runtime: Runtime, actor: Actor, order_id: UUID) -> OrderView:
    """The client's "I paid": ask WeChat about the order's charges and settle what it knows.

    Raises NotFound, UpstreamFailed, WechatRefused.
    """
    async with runtime.db.transaction() as session:
        order = await read(session, order_id, customer_id=actor.id)
    if order.row.status is not OrderStatus.PAID:
        await COLLECTOR.confirm(runtime, order_id)
    async with runtime.db.transaction() as session:
        return await order_of_customer(session, actor.id, order_id)


async def close_order(runtime: Runtime, order_id: UUID, *, reason: CloseReason) -> bool:
    """Close an unpaid order, unless WeChat turns out to have its money: then it is paid. True when it was closed."""
    closed_at_wechat = await COLLECTOR.close(runtime, order_id)
    async with runtime.db.transaction() as session:
        return await closing.close(session, order_id, reason=reason, closed_at_wechat=closed_at_wechat)


async def close_own_order(runtime: Runtime, actor: Actor, key: Key, order_id: UUID) -> Reply:
    """The customer gives up on an unpaid order, once per key.

    Raises NotFound, OrderNotClosable, OrderBeingPaid, UpstreamFailed, WechatRefused; after the last three the same key goes
    on.
    """

    async def begin(session: Session, _: UUID) -> None:
        order = await read(session, order_id, customer_id=actor.id)
        if order.row.status is not OrderStatus.UNPAID:
            raise OrderNotClosable

    async def finish(_: UUID) -> Reply:
        for _attempt in range(2):  # pressing pay meanwhile opens another charge
            await close_order(runtime, order_id, reason=CloseReason.BUYER)
            async with runtime.db.transaction() as session:
                view = await order_of_customer(session, actor.id, order_id)
            if view.status is not OrderStatus.UNPAID:
                return Reply(200, view.model_dump_json().encode())
        raise OrderBeingPaid

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)
