"""Remote work and timers, on pgqueuer behind a seam of a few functions.

`defer` enqueues inside the caller's transaction: the job exists if and only if the rest was committed. A job runs at least
once; `once` makes a repeat harmless. One that keeps failing stays as a failed job, visible, never dropped. Remote calls in
a job carry a stable number of our own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import structlog
from pgqueuer import PgQueuer
from pgqueuer.core.executors import DatabaseRetryEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.types import Channel
from pgqueuer.models import Job as QueuedJob
from pgqueuer.models import Schedule
from pgqueuer.queries import Queries

from app.core.db import Session, Statement, connect_arguments
from app.core.runtime import Runtime

log = structlog.get_logger(__name__)

# Jobs share a handful of connections with the loops of the log: most of those that run at once should wait for WeChat.
_AT_ONCE = 20
_HEARTBEAT = timedelta(seconds=10)
_CLOSE_WITHIN_S = 3

Run = Callable[[Runtime, dict[str, Any]], Awaitable[None]]
Sweep = Callable[[Runtime], Awaitable[None]]


@dataclass(frozen=True)
class Job:
    """A kind of work: its name on the queue and what runs it. Handlers must not block the loop."""

    name: str
    run: Run
    max_attempts: int = 12


@dataclass(frozen=True)
class Cron:
    """A sweep on a timer: a crontab expression, the sixth field being seconds (`* * * * * */10`).

    It is cancelled when the worker stops, so it must be safe to leave in the middle.
    """

    name: str
    expression: str
    run: Sweep


_ONCE = Statement("INSERT INTO job_done (key) VALUES (:key) ON CONFLICT DO NOTHING")
_FORGET_LOG = Statement(
    """DELETE FROM pgqueuer_log WHERE id IN (
           SELECT id FROM pgqueuer_log WHERE created < statement_timestamp() - interval '7 days' LIMIT 5000)"""
)
_FORGET_DONE = Statement(
    """DELETE FROM job_done WHERE key IN (
           SELECT key FROM job_done WHERE done_at < statement_timestamp() - interval '1 year' LIMIT 5000)"""
)
_FAILED = Statement("SELECT count(*) FROM pgqueuer WHERE status = 'failed'", int)


class _SessionDriver:
    """What pgqueuer needs to enqueue, on the session's own transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def fetch(self, query: str, *args: Any) -> list[dict[str, Any]]:
        # The queue writes JSON as text; our connections take the value itself.
        *plain, headers = args
        decoded = [msgspec.json.decode(text) for text in headers]
        return [dict(row) for row in await self._session.fetch(query, [*plain, decoded])]


async def defer(session: Session, job: str, *, key: str, after_s: float = 0, **arguments: Any) -> None:
    """Enqueue `job` in the caller's transaction. While one with this key is waiting or running, nothing is added."""
    queries = Queries(_SessionDriver(session))  # type: ignore[arg-type]  # enqueueing uses fetch alone
    await queries.enqueue(
        job,
        msgspec.json.encode(arguments),
        execute_after=timedelta(seconds=after_s),
        dedupe_key=f"{job}:{key}",
        on_conflict="skip",
    )


async def once(session: Session, key: str) -> bool:
    """True for the first transaction that commits with this key: write it together with the effect."""
    return bool(await _ONCE.run(session, key=key))


async def sweep_log(session: Session) -> int:
    """Forget the queue's log after a week, at most 5,000 entries at a time."""
    return await _FORGET_LOG.run(session)


async def sweep_done(session: Session) -> int:
    """Forget keys of `once` after a year, at most 5,000 at a time."""
    return await _FORGET_DONE.run(session)


async def failed_count(session: Session) -> int:
    """Jobs that failed for good and wait for a person."""
    return await _FAILED.one(session)


class JobRunner:
    """The queue's side of a worker process: runs jobs and timers until stopped."""

    def __init__(self, runtime: Runtime, jobs: Sequence[Job], crons: Sequence[Cron]) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._crons = crons
        self._queuer: PgQueuer | None = None
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`; raises what broke the queue's connection. Jobs that a cancellation ends are put back."""
        async with self._connected() as queuer:
            for cron in self._crons:
                self._add_cron(queuer, cron)
            self._queuer = queuer
            if self._stopping:  # told so while it was connecting
                return
            await queuer.run(
                batch_size=_AT_ONCE // 2,
                max_concurrent_tasks=_AT_ONCE,
                dequeue_timeout=timedelta(seconds=2),
                heartbeat_timeout=_HEARTBEAT,
                shutdown_on_listener_failure=True,
            )

    async def drain(self) -> None:
        """Run every job that is due, no timers, and return; what is due later stays queued."""
        async with self._connected() as queuer:
            idle = asyncio.create_task(self._stop_when_idle(queuer))
            try:
                await queuer.qm.run(
                    batch_size=_AT_ONCE // 2,
                    max_concurrent_tasks=_AT_ONCE,
                    dequeue_timeout=timedelta(milliseconds=50),
                    heartbeat_timeout=_HEARTBEAT,
                )
            finally:
                idle.cancel()

    async def _stop_when_idle(self, queuer: PgQueuer) -> None:
        # The queue's own drain mode waits for jobs that are due later as well, for hours if need be.
        due = """SELECT 1 AS due FROM pgqueuer WHERE entrypoint = ANY($1)
                 AND (status = 'picked' OR (status = 'queued' AND execute_after <= now())) LIMIT 1"""
        while await queuer.qm.queries.driver.fetch(due, [job.name for job in self._jobs]):  # noqa: ASYNC110  a table
            await asyncio.sleep(0.02)
        queuer.shutdown.set()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[PgQueuer]:
        arguments = connect_arguments(self._runtime.settings, "siyu-jobs")
        pool = await asyncpg.create_pool(min_size=1, max_size=3, **arguments)
        try:
            queuer = PgQueuer.from_asyncpg_pool(pool, channel=Channel("ch_pgqueuer"))
            for job in self._jobs:
                self._add_job(queuer, job)
            yield queuer
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_WITHIN_S):
                    await pool.close()

    def stop(self) -> None:
        """Begin nothing more; `run` returns when the jobs in hand have ended."""
        self._stopping = True
        if self._queuer is not None:
            self._queuer.shutdown.set()

    def _add_job(self, queuer: PgQueuer, job: Job) -> None:
        def executor(parameters: EntrypointExecutorParameters) -> DatabaseRetryEntrypointExecutor:
            return DatabaseRetryEntrypointExecutor(parameters, max_attempts=job.max_attempts)

        @queuer.entrypoint(job.name, on_failure="hold", executor_factory=executor)
        async def handle(queued: QueuedJob) -> None:
            arguments = msgspec.json.decode(queued.payload or b"{}")
            try:
                await job.run(self._runtime, arguments)
            except asyncio.CancelledError as cancelled:
                # The queue takes a cancelled job for one that nobody wants any more, and deletes it.
                raise RetryRequested(reason="the worker ended") from cancelled
            except Exception as error:
                log.warning("job_failed", job=job.name, attempt=queued.attempts, error=repr(error))
                raise

    def _add_cron(self, queuer: PgQueuer, cron: Cron) -> None:
        @queuer.schedule(cron.name, cron.expression, clean_old=True)
        async def tick(_: Schedule) -> None:
            sweep = asyncio.ensure_future(cron.run(self._runtime))
            stopping = asyncio.create_task(queuer.shutdown.wait())
            await asyncio.wait({sweep, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # A sweep may be long, and what it leaves is due again: stopping does not wait for it.
            for task in (sweep, stopping):
                task.cancel()
            outcome = (await asyncio.gather(sweep, stopping, return_exceptions=True))[0]
            if isinstance(outcome, Exception):
                log.error("sweep_failed", sweep=cron.name, error=repr(outcome))
