"""Operators' routes: what the workers could not do, and doing it again."""

from typing import Annotated

from fastapi import APIRouter, Path

from app import modules
from app.core import events, failed_jobs
from app.core.auth import Headquarters
from app.core.errors import NotFound
from app.core.events import DeadLetterView
from app.core.failed_jobs import FailedJob, JobAlreadyQueued
from app.core.http import Page, PageQuery, Reading, RuntimeDep, Tx, View, problems
from app.core.ids import DeadLetterId

router = APIRouter(prefix="/v1/admin", tags=["operators"])


class ReplayView(View):
    """How many events of the stream were applied or sent."""

    replayed: int


@router.get(
    "/events/dead-letters",
    summary="List events that a consumer could not apply or send",
)
async def list_dead_letters(actor: Headquarters, session: Reading, paging: PageQuery) -> Page[DeadLetterView]:
    """Oldest first. `error` is null for those that only wait behind another of their stream."""
    return await events.list_dead_letters(session, paging)


@router.post(
    "/events/dead-letters/{id}/replay",
    summary="Apply or send a dead letter again",
    responses=problems(NotFound),
)
async def replay_dead_letter(id: DeadLetterId, actor: Headquarters, runtime: RuntimeDep) -> ReplayView:
    """With all that wait behind it in its stream, in order; stops at the first that still fails."""
    return ReplayView(replayed=await events.replay(runtime, modules.consumers(), id))


@router.get("/jobs/failed", summary="List jobs that failed for good")
async def list_failed_jobs(actor: Headquarters, session: Reading) -> Page[FailedJob]:
    """Oldest first, at most 100, on one page."""
    return Page(items=await failed_jobs.list_failed(session, limit=100), next=None, count=None)


@router.post(
    "/jobs/failed/{id}/retry",
    status_code=204,
    summary="Run a failed job again",
    responses=problems(NotFound, JobAlreadyQueued),
)
async def retry_failed_job(id: Annotated[int, Path(ge=1, le=2**63 - 1)], actor: Headquarters, session: Tx) -> None:
    """It is queued at once, with all its attempts before it."""
    await failed_jobs.retry(session, id)
