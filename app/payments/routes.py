"""Payments over HTTP: what finance has to look at."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.core.auth import Actor, headquarters
from app.core.errors import Forbidden, Unauthenticated, ValidationFailed
from app.core.http import Page, PageQuery, Tx, problems
from app.payments import discrepancies
from app.payments.schemas import DiscrepancyView

router = APIRouter(prefix="/v1/admin/payments", tags=["payments: staff"])
routers = [router]


@router.get(
    "/discrepancies",
    summary="What WeChat says and no charge explains",
    responses=problems(Unauthenticated, Forbidden, ValidationFailed),
)
async def list_discrepancies(
    actor: Annotated[Actor, Depends(headquarters)], session: Tx, paging: PageQuery
) -> Page[DiscrepancyView]:
    """Newest first. Each is written once, sells nothing and waits for a person."""
    items = await discrepancies.list_discrepancies(session, after=paging.after_id("dsc"), limit=paging.limit + 1)
    return paging.page("dsc", items, [item.id for item in items])
