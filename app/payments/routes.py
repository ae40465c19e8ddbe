"""Payments over HTTP: WeChat's callbacks, and what finance has to look at."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.core.auth import Headquarters, public
from app.core.http import Page, PageQuery, Reading, RuntimeDep, client
from app.payments import discrepancies, refund_views
from app.payments.callbacks import CALLBACK_RESPONSES, Notified, answer, take_refund, take_transaction
from app.payments.collecting import Collectors
from app.payments.schemas import DiscrepancyKind, DiscrepancyView, PaymentRefundView, RefundKind, RefundStage

staff = APIRouter(prefix="/v1/admin/payments", tags=["payments: staff"])
callbacks = APIRouter(prefix="/v1/payments", tags=["callbacks"])
routers = [staff, callbacks]


@staff.get("/discrepancies", summary="List payments that no charge explains")
async def list_discrepancies(
    actor: Headquarters,
    session: Reading,
    paging: PageQuery,
    kind: DiscrepancyKind | None = None,
) -> Page[DiscrepancyView]:
    """Newest first. Each is written once, sells nothing and waits for a person."""
    return await discrepancies.list_discrepancies(session, paging, kind=kind)


@staff.get("/refunds", summary="List refunds of all payments")
async def list_refunds(
    actor: Headquarters,
    session: Reading,
    paging: PageQuery,
    collectors: Annotated[Collectors, Depends(client(Collectors))],
    kind: RefundKind | None = None,
    status: RefundStage | None = None,
    stuck: bool = False,
) -> Page[PaymentRefundView]:
    """Newest first: what staff agreed, and what was sent back by itself. `stuck=true` lists those that wait for a
    person."""
    return await refund_views.list_refunds(session, paging, collectors, kind=kind, status=status, stuck=stuck)


@callbacks.post(
    "/{merchant}/transactions/notify",
    status_code=204,
    dependencies=[public],
    summary="Receive WeChat's word of a payment",
    responses=CALLBACK_RESPONSES,
)
async def notify_transaction(merchant: str, notified: Notified, runtime: RuntimeDep) -> Response:
    """Verified over the raw body, settled in one transaction, answered after its commit. Repeats change nothing."""
    return await answer(runtime, notified, take_transaction)


@callbacks.post(
    "/{merchant}/refunds/notify",
    status_code=204,
    dependencies=[public],
    summary="Receive WeChat's word of a refund",
    responses=CALLBACK_RESPONSES,
)
async def notify_refund(merchant: str, notified: Notified, runtime: RuntimeDep) -> Response:
    """Of whatever was paid for: orders and tips alike."""
    return await answer(runtime, notified, take_refund)
