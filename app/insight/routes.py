"""What staff ask across rooms."""

from fastapi import APIRouter

from app.core.auth import CurrentStaff
from app.core.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed
from app.core.http import Tx, problems
from app.core.ids import OrderId
from app.insight import orders
from app.insight.schemas import OrderAttribution

router = APIRouter(prefix="/v1/admin/insight", tags=["insight"])
routers = [router]


@router.get(
    "/orders/{order_id}/attribution",
    summary="Who is credited for an order, and why",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def order_attribution(actor: CurrentStaff, order_id: OrderId, session: Tx) -> OrderAttribution:
    """Line by line: distributor, guide, store and room, the reason why each won, and what each earned so far. The answer
    to a dispute about a binding: the decision was made at checkout and has not changed since. Whoever may read the order
    may read this: managers and above within their path, a guide what he is credited for, wherever it was sold."""
    return await orders.attribution_of(session, actor, order_id)
