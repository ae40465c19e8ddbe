"""Jobs that failed for good: seen, and run again once the cause is mended."""

from typing import Any

import asyncpg
import msgspec
from pydantic import Field

from app.core import db
from app.core.db import AsyncSession
from app.core.errors import Conflict, NotFound
from app.core.http.schemas import At, View


class JobOnItsWay(Conflict):
    """The same work was asked for again since and waits or runs; the held job stays as it is."""

    en = "The same job is already waiting or running."
    zh = "相同的任务已在等待或执行。"


class HeldJob(View):
    """A job that was tried as often as it may be and waits for a person."""

    id: int
    job: str = Field(examples=["payments.send_refund"])
    arguments: dict[str, Any]
    attempts: int
    error: str | None = Field(description="What the last attempt raised.")
    deferred_at: At
    held_at: At


async def list_held(session: AsyncSession, *, limit: int) -> list[HeldJob]:
    """Held jobs, oldest first."""
    rows = await db.fetch(
        session,
        """SELECT q.id, q.entrypoint, q.payload, q.attempts, q.created, q.updated, l.traceback
           FROM pgqueuer q LEFT JOIN LATERAL (
               SELECT traceback FROM pgqueuer_log WHERE job_id = q.id AND traceback IS NOT NULL
               ORDER BY id DESC LIMIT 1) l ON true
           WHERE q.status = 'failed' ORDER BY q.id LIMIT $1""",
        limit,
    )
    return [
        HeldJob(
            id=row["id"],
            job=row["entrypoint"],
            arguments=msgspec.json.decode(row["payload"] or b"{}"),
            attempts=row["attempts"],
            error=_error(row["traceback"]),
            deferred_at=row["created"],
            held_at=row["updated"],
        )
        for row in rows
    ]


def _error(traceback: dict[str, Any] | None) -> str | None:
    return f"{traceback['exception_type']}: {traceback['exception_message']}"[:2_000] if traceback else None


async def retry(session: AsyncSession, job_id: int) -> None:
    """Put a held job back into the queue, with all its attempts. Raises NotFound when it is not held, JobOnItsWay."""
    try:
        queued = await db.execute(
            session,
            """UPDATE pgqueuer SET status = 'queued', execute_after = clock_timestamp(), updated = clock_timestamp(),
                      attempts = 0, queue_manager_id = NULL WHERE id = $1 AND status = 'failed'""",
            job_id,
        )
    except asyncpg.UniqueViolationError as error:
        raise JobOnItsWay from error
    if not queued:
        raise NotFound
