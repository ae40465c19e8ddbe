"""Orders over HTTP, for customers and staff."""

from typing import Annotated

from fastapi import APIRouter, Response

from app.core.auth import CurrentCustomer, CurrentStaff
from app.core.errors import NotFound, UpstreamFailed
from app.core.http import IdempotencyKey, Page, PageQuery, Reading, RuntimeDep, limit, problems, reply_response
from app.core.ids import OrderId
from app.customers import OpenidMissing
from app.mall.catalog import NotOnSale, OutOfStock
from app.mall.orders import flows, quotes, views
from app.mall.orders.errors import OrderBeingPaid, OrderNotClosable, OrderNotPayable, PriceChanged
from app.mall.orders.schemas import OrderCreate, OrderStatus, OrderView, PlacedView, QuoteCreate, QuoteView
from app.mall.promotions import LineRepeated
from app.payments import PaymentView
from app.wechat import WechatRefused

customer = APIRouter(prefix="/v1/mall", tags=["mall"])
admin = APIRouter(prefix="/v1/admin/mall", tags=["mall: staff"])
routers = [customer, admin]


@customer.post("/quote", summary="Quote a basket", responses=problems(LineRepeated, NotOnSale))
async def quote_basket(body: QuoteCreate, actor: CurrentCustomer, session: Reading) -> QuoteView:
    """The price trail line by line; the same code decides at checkout. Nothing is reserved."""
    return await quotes.quote(session, body)


@customer.post(
    "/orders",
    status_code=201,
    response_model=PlacedView,
    summary="Place an order",
    responses=problems(LineRepeated, NotOnSale, OutOfStock, PriceChanged, OpenidMissing, UpstreamFailed, WechatRefused),
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


@customer.get("/orders", summary="List your orders")
async def list_orders(
    actor: CurrentCustomer, session: Reading, paging: PageQuery, status: OrderStatus | None = None
) -> Page[OrderView]:
    """Newest first."""
    return await views.orders_of_customer(session, paging, actor.id, status=status)


@customer.get("/orders/{id}", summary="Get your order", responses=problems(NotFound))
async def get_order(id: OrderId, actor: CurrentCustomer, session: Reading) -> OrderView:
    """As it is now; `actions` says what can be done with it."""
    return await views.order_of_customer(session, actor.id, id)


@customer.post(
    "/orders/{id}/payment",
    summary="Pay for an unpaid order",
    responses=problems(NotFound, OrderNotPayable, UpstreamFailed, WechatRefused),
)
async def pay_order(
    id: OrderId, actor: CurrentCustomer, _: Annotated[None, limit("pay", "30/minute")], runtime: RuntimeDep
) -> PaymentView:
    """The same charge while it lives, else a new one: safe to call whenever the pay button is pressed."""
    return await flows.pay_again(runtime, actor, id)


@customer.post(
    "/orders/{id}/confirmation",
    summary="Confirm a payment",
    responses=problems(NotFound, UpstreamFailed, WechatRefused),
)
async def confirm_order(
    id: OrderId, actor: CurrentCustomer, _: Annotated[None, limit("confirm", "60/minute")], runtime: RuntimeDep
) -> OrderView:
    """Call it when `wx.requestPayment` succeeds: WeChat is asked, and the answer is settled like its notification."""
    return await flows.confirm(runtime, actor, id)


@customer.post(
    "/orders/{id}/close",
    response_model=OrderView,
    summary="Close an unpaid order",
    responses=problems(NotFound, OrderNotClosable, OrderBeingPaid, UpstreamFailed, WechatRefused),
)
async def close_order(
    id: OrderId,
    actor: CurrentCustomer,
    key: IdempotencyKey,
    _: Annotated[None, limit("close", "30/minute")],
    runtime: RuntimeDep,
) -> Response:
    """Releases the stock. If WeChat turns out to have the money, the order is paid instead: look at `status`."""
    return reply_response(await flows.close_own_order(runtime, actor, key, id))


@admin.get("/orders", summary="List orders in scope")
async def list_orders_in_scope(
    actor: CurrentStaff, session: Reading, paging: PageQuery, status: OrderStatus | None = None
) -> Page[OrderView]:
    """Newest first. Guides see the orders credited to them, managers and above what was sold within their scope."""
    return await views.orders_in_scope(session, paging, actor, status=status)


@admin.get("/orders/{id}", summary="Get an order in scope", responses=problems(NotFound))
async def get_order_in_scope(id: OrderId, actor: CurrentStaff, session: Reading) -> OrderView:
    """With the credit of each line."""
    return await views.order_in_scope(session, actor, id)
