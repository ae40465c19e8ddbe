"""Insight over HTTP, for staff."""

from fastapi import APIRouter

from app.core.auth import CurrentStaff
from app.core.errors import NotFound
from app.core.http import Reading, problems
from app.core.ids import OrderId
from app.insight import orders
from app.insight.schemas import OrderAttribution

router = APIRouter(prefix="/v1/admin/insight", tags=["insight"])
routers = [router]


@router.get(
    "/orders/{id}/attribution",
    summary="Explain who is credited for an order",
    responses=problems(NotFound),
)
async def explain_attribution(id: OrderId, actor: CurrentStaff, session: Reading) -> OrderAttribution:
    """Line by line: distributor, guide, store and live room, the reason why each won, and what each earned so far. It
    settles a dispute about a binding: the decision was made at checkout and has not changed since. Whoever may read the
    order may read this: managers and above what was sold within their path, guides what they are credited for, wherever
    it was sold."""
    return await orders.explain_attribution(session, actor, id)
