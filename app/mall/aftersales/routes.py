"""After-sales over HTTP, for customers and staff."""

from fastapi import APIRouter, Response

from app.core.auth import CurrentCustomer, CurrentStaff, Managers
from app.core.errors import NotFound
from app.core.http import IdempotencyKey, Page, PageQuery, Reading, RuntimeDep, problems, reply_response
from app.core.ids import OrderId
from app.mall.aftersales import flows, views
from app.mall.aftersales.errors import NothingToRefund, RefundNotSensible
from app.mall.aftersales.schemas import RefundCreate, RefundStatus, RefundView
from app.payments import RefundExceedsPaid, RefundsExhausted, RefundTooLate

customer = APIRouter(prefix="/v1/mall", tags=["mall"])
admin = APIRouter(prefix="/v1/admin/mall", tags=["mall: staff"])
routers = [customer, admin]


@customer.get("/orders/{id}/refunds", summary="List the refunds of your order", responses=problems(NotFound))
async def list_refunds(id: OrderId, actor: CurrentCustomer, session: Reading, paging: PageQuery) -> Page[RefundView]:
    """Newest first."""
    return await views.refunds_of_customer(session, paging, actor.id, id)


@admin.post(
    "/orders/{id}/refunds",
    status_code=201,
    response_model=RefundView,
    summary="Refund a paid order",
    responses=problems(
        NotFound, NothingToRefund, RefundNotSensible, RefundExceedsPaid, RefundsExhausted, RefundTooLate
    ),
)
async def refund_order(
    id: OrderId,
    body: RefundCreate,
    actor: Managers,
    key: IdempotencyKey,
    runtime: RuntimeDep,
) -> Response:
    """In part or whole. Owed from now on: commission and performance are taken back, units restocked when requested, and
    WeChat pays out. `status` becomes `paid` when it has."""
    return reply_response(await flows.agree_refund(runtime, actor, key, id, body))


@admin.get("/refunds", summary="List refunds in scope")
async def list_refunds_in_scope(
    actor: CurrentStaff,
    session: Reading,
    paging: PageQuery,
    order: OrderId | None = None,
    status: RefundStatus | None = None,
) -> Page[RefundView]:
    """Newest first. `status=stuck` are those that WeChat could not send: somebody has to act in its merchant platform."""
    return await views.refunds_in_scope(session, paging, actor, order_id=order, status=status)
