"""Operators' routes: what the workers could not do, and doing it again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.core import events, held_jobs
from app.core.auth import Actor, headquarters
from app.core.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed
from app.core.events import ParkedView
from app.core.held_jobs import HeldJob, JobOnItsWay
from app.core.http import Page, PageQuery, RuntimeDep, Tx, View, problems
from app.core.ids import ParkedId
from app.rooms import CONSUMERS

router = APIRouter(prefix="/v1/admin", tags=["operators"])

Headquarters = Annotated[Actor, Depends(headquarters)]


class ReplayView(View):
    """How many events of the stream were applied or sent."""

    healed: int


@router.get(
    "/events/parked",
    summary="Events that a consumer could not apply or send",
    responses=problems(Unauthenticated, Forbidden, ValidationFailed),
)
async def list_parked(actor: Headquarters, session: Tx, paging: PageQuery) -> Page[ParkedView]:
    """Oldest first. `error` is null for those that only wait behind another of their stream."""
    items = await events.list_parked(session, after=paging.after_id("prk"), limit=paging.limit + 1)
    return paging.page("prk", items, [item.id for item in items])


@router.post(
    "/events/parked/{id}/replay",
    summary="Apply or send a parked event again",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def replay(id: ParkedId, actor: Headquarters, runtime: RuntimeDep) -> ReplayView:
    """With all that wait behind it in its stream, in order; stops at the first that still fails."""
    return ReplayView(healed=await events.replay(runtime, CONSUMERS, id))


@router.get("/jobs/held", summary="Jobs that failed for good", responses=problems(Unauthenticated, Forbidden))
async def list_held(actor: Headquarters, session: Tx) -> Page[HeldJob]:
    """Oldest first, at most 100, on one page."""
    return Page(items=await held_jobs.list_held(session, limit=100), next=None)


@router.post(
    "/jobs/held/{id}/retry",
    status_code=204,
    summary="Run a held job again",
    responses=problems(Unauthenticated, Forbidden, NotFound, JobOnItsWay, ValidationFailed),
)
async def retry(id: Annotated[int, Path(ge=1, le=2**63 - 1)], actor: Headquarters, session: Tx) -> None:
    """It is queued at once, with all its attempts before it."""
    await held_jobs.retry(session, id)
