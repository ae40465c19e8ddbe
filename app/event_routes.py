"""Operators' routes over the event log: what is parked, and playing it again."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.core import events
from app.core.auth import Actor, headquarters
from app.core.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed
from app.core.events import ParkedView
from app.core.http import Page, PageQuery, RuntimeDep, Tx, View, problems
from app.core.ids import ParkedId
from app.rooms import CONSUMERS

router = APIRouter(prefix="/v1/admin/events", tags=["events: staff"])

Headquarters = Annotated[Actor, Depends(headquarters)]


class ReplayView(View):
    """How many events of the stream were applied or sent."""

    healed: int


@router.get(
    "/parked",
    summary="Events that a consumer could not apply or send",
    responses=problems(Unauthenticated, Forbidden, ValidationFailed),
)
async def list_parked(actor: Headquarters, session: Tx, paging: PageQuery) -> Page[ParkedView]:
    """Oldest first. `error` is null for those that only wait behind another of their stream."""
    items = await events.list_parked(session, after=paging.after_id("prk"), limit=paging.limit + 1)
    return paging.page("prk", items, [item.id for item in items])


@router.post(
    "/parked/{id}/replay",
    summary="Apply or send a parked event again",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def replay(id: ParkedId, actor: Headquarters, runtime: RuntimeDep) -> ReplayView:
    """With all that wait behind it in its stream, in order; stops at the first that still fails."""
    return ReplayView(healed=await events.replay(runtime, CONSUMERS, id))
