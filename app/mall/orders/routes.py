"""Orders over HTTP: customers, staff, and WeChat's callbacks."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.core.auth import Actor, CurrentCustomer, CurrentStaff, managers, public
from app.core.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    UpstreamFailed,
    ValidationFailed,
)
from app.core.http import IdempotencyKey, Page, PageQuery, RuntimeDep, Tx, limit, problems, reply_response
from app.core.idempotency import IdempotencyKeyReused, StillRunning
from app.core.ids import OrderId
from app.mall.errors import (
    LineRepeated,
    NothingToRefund,
    NotOnSale,
    OrderBeingPaid,
    OrderNotClosable,
    OrderNotPayable,
    OutOfStock,
    PriceChanged,
    RefundNotSensible,
)
from app.mall.orders import flows, reading, refund_reading
from app.mall.orders.pricing import price, quote_view
from app.mall.orders.schemas import (
    OrderCreate,
    OrderStatus,
    OrderView,
    PlacedView,
    QuoteCreate,
    QuoteView,
    RefundCreate,
    RefundStatus,
    RefundView,
)
from app.payments import CALLBACK_RESPONSES, Notified, PaymentView, RefundExceedsPaid, answer

customer = APIRouter(prefix="/v1/mall", tags=["mall"])
admin = APIRouter(prefix="/v1/admin/mall", tags=["mall: staff"])
callbacks = APIRouter(prefix="/v1/mall", tags=["callbacks"])
routers = [customer, admin, callbacks]

_IDEMPOTENT = problems(Unauthenticated, NotFound, ValidationFailed, IdempotencyKeyReused, StillRunning, UpstreamFailed)
_READ = problems(Unauthenticated, NotFound, ValidationFailed)


@customer.post(
    "/quote",
    summary="What it would cost",
    responses=problems(Unauthenticated, ValidationFailed, LineRepeated, NotOnSale),
)
async def quote(body: QuoteCreate, actor: CurrentCustomer, session: Tx) -> QuoteView:
    """The price trail line by line; the same code decides at checkout. Nothing is reserved."""
    return quote_view(await price(session, body))


@customer.post(
    "/orders",
    status_code=201,
    response_model=PlacedView,
    summary="Place an order and prepare its payment",
    responses=_IDEMPOTENT | problems(OutOfStock, PriceChanged, NotOnSale, LineRepeated, RateLimited),
)
async def place_order(
    body: OrderCreate,
    actor: CurrentCustomer,
    _: Annotated[None, limit("order", "30/minute")],
    key: IdempotencyKey,
    runtime: RuntimeDep,
) -> Response:
    """Reserves the stock, freezes who is credited, and answers what `wx.requestPayment` needs in
    `payment.wechat_pay`. Room and store credit come from what the server saw, never from this body."""
    return reply_response(await flows.place_order(runtime, actor, key, body))


@customer.get("/orders", summary="One's own orders", responses=_READ)
async def list_orders(
    actor: CurrentCustomer, session: Tx, paging: PageQuery, status: OrderStatus | None = None
) -> Page[OrderView]:
    """Newest first."""
    items = await reading.orders_of_customer(
        session, actor.id, status=status, after=paging.after_id("ord"), limit=paging.limit + 1
    )
    return paging.page("ord", items, [item.id for item in items])


@customer.get("/orders/{id}", summary="One of one's own orders", responses=_READ)
async def get_order(id: OrderId, actor: CurrentCustomer, session: Tx) -> OrderView:
    return await reading.order_of_customer(session, actor.id, id)


@customer.post(
    "/orders/{id}/payment",
    summary="Pay an unpaid order",
    responses=_READ | problems(OrderNotPayable, UpstreamFailed, RateLimited),
)
async def pay_order(
    id: OrderId, actor: CurrentCustomer, _: Annotated[None, limit("pay", "30/minute")], runtime: RuntimeDep
) -> PaymentView:
    """The same charge while it lives, else a new one: safe to call whenever the pay button is pressed."""
    return await flows.pay_again(runtime, actor, id)


@customer.post(
    "/orders/{id}/confirmation",
    summary="I paid",
    responses=_READ | problems(UpstreamFailed, RateLimited),
)
async def confirm_order(
    id: OrderId, actor: CurrentCustomer, _: Annotated[None, limit("confirm", "60/minute")], runtime: RuntimeDep
) -> OrderView:
    """Call it when `wx.requestPayment` succeeds: WeChat is asked, and the answer is settled like its notification."""
    return await flows.confirm(runtime, actor, id)


@customer.post(
    "/orders/{id}/closure",
    response_model=OrderView,
    summary="Give up on an unpaid order",
    responses=_IDEMPOTENT | problems(OrderNotClosable, OrderBeingPaid),
)
async def close_order(id: OrderId, actor: CurrentCustomer, key: IdempotencyKey, runtime: RuntimeDep) -> Response:
    """Releases the stock. If WeChat turns out to have the money, the order is paid instead: look at `status`."""
    return reply_response(await flows.close_own_order(runtime, actor, key, id))


@customer.get("/orders/{id}/refunds", summary="Refunds of one of one's own orders", responses=_READ)
async def list_refunds(id: OrderId, actor: CurrentCustomer, session: Tx, paging: PageQuery) -> Page[RefundView]:
    """Newest first."""
    items = await refund_reading.refunds_of_customer(
        session, actor.id, id, after=paging.after_id("rfd"), limit=paging.limit + 1
    )
    return paging.page("rfd", items, [item.id for item in items])


@admin.get("/orders", summary="Orders within one's scope", responses=_READ | problems(Forbidden))
async def list_orders_in_scope(
    actor: CurrentStaff, session: Tx, paging: PageQuery, status: OrderStatus | None = None
) -> Page[OrderView]:
    """Newest first. A guide sees the orders credited to him, managers and above what was sold within their scope."""
    items = await reading.orders_in_scope(
        session, actor, status=status, after=paging.after_id("ord"), limit=paging.limit + 1
    )
    return paging.page("ord", items, [item.id for item in items])


@admin.get("/orders/{id}", summary="An order within one's scope", responses=_READ | problems(Forbidden))
async def get_order_in_scope(id: OrderId, actor: CurrentStaff, session: Tx) -> OrderView:
    return await reading.order_in_scope(session, actor, id)


@admin.post(
    "/orders/{id}/refunds",
    status_code=201,
    response_model=RefundView,
    summary="Refund a paid order, in part or whole",
    responses=_IDEMPOTENT | problems(Forbidden, NothingToRefund, RefundNotSensible, RefundExceedsPaid),
)
async def refund_order(
    id: OrderId,
    body: RefundCreate,
    actor: Annotated[Actor, Depends(managers)],
    key: IdempotencyKey,
    runtime: RuntimeDep,
) -> Response:
    """Owed from now on: commission and performance are taken back, units restocked when asked, and WeChat pays out.
    `status` becomes `paid` when it has."""
    return reply_response(await flows.agree_refund(runtime, actor, key, id, body))


@admin.get("/refunds", summary="Refunds within one's scope", responses=_READ | problems(Forbidden))
async def list_refunds_in_scope(
    actor: CurrentStaff,
    session: Tx,
    paging: PageQuery,
    order: OrderId | None = None,
    status: RefundStatus | None = None,
) -> Page[RefundView]:
    """Newest first. `status=stuck` are those that WeChat could not send: somebody has to act in its merchant platform."""
    items = await refund_reading.refunds_in_scope(
        session, actor, order_id=order, status=status, after=paging.after_id("rfd"), limit=paging.limit + 1
    )
    return paging.page("rfd", items, [item.id for item in items])


@callbacks.post(
    "/pay/notify",
    status_code=204,
    dependencies=[public],
    summary="WeChat: a payment succeeded",
    responses=CALLBACK_RESPONSES,
)
async def notify_payment(notified: Notified, runtime: RuntimeDep) -> Response:
    """Verified over the raw body, settled in one transaction, answered after its commit. Repeats change nothing."""
    return await answer(notified, partial(flows.take_notification, runtime))


@callbacks.post(
    "/refunds/notify",
    status_code=204,
    dependencies=[public],
    summary="WeChat: a refund went out, or could not",
    responses=CALLBACK_RESPONSES,
)
async def notify_refund(notified: Notified, runtime: RuntimeDep) -> Response:
    """Serves the refunds of orders and tips alike."""
    return await answer(notified, partial(flows.take_refund_notification, runtime))
