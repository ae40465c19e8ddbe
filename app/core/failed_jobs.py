"""Jobs that failed for good: seen, and run again once the cause is mended."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from pydantic import Field

from app.core.db import Session, Statement
from app.core.errors import Conflict, NotFound
from app.core.schemas import At, View


class JobAlreadyQueued(Conflict):
    """The same work was requested again since and waits or runs; the failed job stays as it is."""

    en = "The same job is already waiting or running."
    zh = "相同的任务已在等待或执行。"


class FailedJob(View):
    """A job that was tried as often as it may be and waits for a person."""

    id: int
    job: str = Field(examples=["payments.send_refund"])
    arguments: dict[str, Any]
    attempts: int
    error: str | None = Field(description="What the last attempt raised.")
    created_at: At
    failed_at: At


class _Traceback(msgspec.Struct, frozen=True):
    exception_type: str
    exception_message: str


class _Failed(msgspec.Struct, frozen=True):
    id: int
    entrypoint: str
    payload: bytes | None
    attempts: int
    created: datetime
    updated: datetime
    traceback: _Traceback | None


_LIST = Statement(
    """SELECT q.id, q.entrypoint, q.payload, q.attempts, q.created, q.updated, l.traceback
       FROM pgqueuer q LEFT JOIN LATERAL (
           SELECT traceback FROM pgqueuer_log WHERE job_id = q.id AND traceback IS NOT NULL
           ORDER BY id DESC LIMIT 1) l ON true
       WHERE q.status = 'failed' ORDER BY q.id LIMIT :limit""",
    _Failed,
)
_RETRY = Statement(
    """UPDATE pgqueuer SET status = 'queued', execute_after = clock_timestamp(), updated = clock_timestamp(),
              attempts = 0, queue_manager_id = NULL WHERE id = :job_id AND status = 'failed'"""
)


async def list_failed(session: Session, *, limit: int) -> list[FailedJob]:
    """Failed jobs, oldest first."""
    return [_view(row) for row in await _LIST.all(session, limit=limit)]


def _view(row: _Failed) -> FailedJob:
    cause = row.traceback
    return FailedJob(
        id=row.id,
        job=row.entrypoint,
        arguments=msgspec.json.decode(row.payload or b"{}"),
        attempts=row.attempts,
        error=f"{cause.exception_type}: {cause.exception_message}"[:2_000] if cause else None,
        created_at=row.created,
        failed_at=row.updated,
    )


async def retry(session: Session, job_id: int) -> None:
    """Put a failed job back into the queue, with all its attempts. Raises NotFound when it has not failed, and
    JobAlreadyQueued."""
    try:
        queued = await _RETRY.run(session, job_id=job_id)
    except asyncpg.UniqueViolationError as error:
        raise JobAlreadyQueued from error
    if not queued:
        raise NotFound
