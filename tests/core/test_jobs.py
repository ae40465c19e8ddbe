"""Jobs live and die with the transaction that defers them; a failing one is held, never dropped."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app import modules
from app.core import housekeeping, jobs
from app.core.db import Database
from app.core.jobs import Job, JobRunner
from app.core.runtime import Runtime
from app.processes import worker
from tests import sql
from tests.audit import becomes, count


class Refused(Exception):
    pass


QUEUED = "SELECT count(*) FROM pgqueuer"


async def drain(runtime: Runtime, run: Callable[[Runtime, dict[str, Any]], Awaitable[None]], attempts: int = 1) -> None:
    await asyncio.wait_for(JobRunner(runtime, [Job("test.work", run, max_attempts=attempts)], []).drain(), 30)


async def test_a_deferred_job_runs_with_its_arguments(db: Database, runtime: Runtime) -> None:
    seen: list[dict[str, Any]] = []

    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        seen.append(arguments)

    async with db.transaction() as session:
        await jobs.defer(session, "test.work", key="a", order="ord_1", amount_fen=3)
    await drain(runtime, work)
    assert seen == [{"order": "ord_1", "amount_fen": 3}]
    assert await count(db, QUEUED) == 0


@pytest.mark.parametrize("first", [True, False])
async def test_a_rolled_back_transaction_leaves_no_job(db: Database, first: bool) -> None:
    with pytest.raises(Refused):
        async with db.transaction() as session:
            if not first:
                await sql.execute(session, "SELECT 1")
            await jobs.defer(session, "test.work", key="a")
            raise Refused
    assert await count(db, QUEUED) == 0


async def test_a_savepoint_that_fails_takes_its_job_along(db: Database) -> None:
    async with db.transaction() as session:
        with pytest.raises(Refused):
            async with sql.savepoint(session):
                await jobs.defer(session, "test.work", key="a")
                raise Refused
        await jobs.defer(session, "test.work", key="b")
    assert await count(db, QUEUED) == 1


async def test_a_flood_of_jobs_is_worked_off_a_few_at_a_time(db: Database, runtime: Runtime) -> None:
    running = done = 0
    full, too_many = asyncio.Event(), asyncio.Event()

    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        nonlocal running, done
        running += 1
        if running == 20:
            full.set()
        if running > 20:
            too_many.set()
        await full.wait()
        if not done:  # while the first ones run, there is time to begin more
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(too_many.wait(), 1)
        running -= 1
        done += 1

    async with db.transaction() as session:
        for number in range(70):
            await jobs.defer(session, "test.work", key=str(number))
    runner = JobRunner(runtime, [Job("test.work", work)], [])
    working = asyncio.create_task(runner.run())
    await asyncio.wait_for(full.wait(), 30)
    await becomes(db, QUEUED, 0)
    runner.stop()
    await asyncio.wait_for(working, 30)
    assert done == 70
    assert not too_many.is_set()


async def test_one_key_waits_once(db: Database, runtime: Runtime) -> None:
    ran = 0

    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        nonlocal ran
        ran += 1

    async def ask() -> None:
        async with db.transaction() as session:
            await jobs.defer(session, "test.work", key="same")

    await asyncio.gather(*(ask() for _ in range(20)))
    assert await count(db, QUEUED) == 1
    await drain(runtime, work)
    await ask()
    await drain(runtime, work)
    assert ran == 2, "a finished job does not stand in the way of the next"


async def test_a_job_that_fails_is_tried_again(db: Database, runtime: Runtime) -> None:
    tries = 0

    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Refused

    async with db.transaction() as session:
        await jobs.defer(session, "test.work", key="a")
    for _ in range(3):
        await drain(runtime, work, attempts=5)
        async with db.transaction() as session:  # its next attempt is due
            await sql.execute(session, "UPDATE pgqueuer SET execute_after = clock_timestamp() - interval '1 second'")
    assert tries == 3
    assert await count(db, QUEUED) == 0


async def test_a_job_that_keeps_failing_is_held_and_visible(db: Database, runtime: Runtime) -> None:
    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        raise Refused

    async with db.transaction() as session:
        await jobs.defer(session, "test.work", key="a", refund="rfd_1")
    for _ in range(3):
        await drain(runtime, work, attempts=2)
        async with db.transaction() as session:
            await sql.execute(session, "UPDATE pgqueuer SET execute_after = clock_timestamp() - interval '1 second'")
    async with db.transaction() as session:
        rows = await sql.fetch(session, "SELECT status::text, payload FROM pgqueuer")
    assert [row["status"] for row in rows] == ["failed"]
    assert b"rfd_1" in rows[0]["payload"]


async def test_a_job_for_later_is_not_due_now(db: Database, runtime: Runtime) -> None:
    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        raise AssertionError("too early")

    async with db.transaction() as session:
        await jobs.defer(session, "test.work", key="a", after_s=600)
    await drain(runtime, work)
    assert await count(db, "SELECT count(*) FROM pgqueuer WHERE status = 'queued'") == 1


async def test_once_is_true_for_the_first_transaction_that_commits(db: Database) -> None:
    with pytest.raises(Refused):
        async with db.transaction() as session:
            assert await jobs.once(session, "k")
            raise Refused

    async def attempt() -> bool:
        async with db.transaction() as session:
            return await jobs.once(session, "k")

    assert sorted(await asyncio.gather(*(attempt() for _ in range(10)))) == [False] * 9 + [True]


async def test_the_queues_log_is_kept_for_a_week(db: Database, runtime: Runtime) -> None:
    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        pass

    for key in ("old", "new"):
        async with db.transaction() as session:
            await sql.execute(session, "UPDATE pgqueuer_log SET created = clock_timestamp() - interval '8 days'")
            await jobs.defer(session, "test.work", key=key)
        await drain(runtime, work)
    rows = "SELECT count(*) FROM pgqueuer_log"
    before, old = await count(db, rows), await count(db, f"{rows} WHERE created < now() - interval '7 days'")
    assert 0 < old < before
    await housekeeping.sweep(runtime)
    assert await count(db, rows) == before - old


async def test_a_queue_that_is_told_to_stop_while_it_connects_stops(runtime: Runtime) -> None:
    runner = JobRunner(runtime, [], [])
    running = asyncio.create_task(runner.run())
    runner.stop()
    await asyncio.wait_for(running, 20)


async def test_a_job_that_outlasts_its_worker_is_put_back(
    db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stop = asyncio.Event(), asyncio.Event()
    ran: list[dict[str, Any]] = []

    async def hang(_: Runtime, arguments: dict[str, Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        ran.append(arguments)

    monkeypatch.setattr(modules, "jobs", lambda: [Job("test.work", hang)])
    monkeypatch.setattr(worker, "_DRAIN_WITHIN_S", 0.5)
    working = asyncio.create_task(worker.Worker(runtime).run_until(stop))
    async with db.transaction() as session:
        await jobs.defer(session, "test.work", key="a", refund="rfd_1")
    await asyncio.wait_for(begun.wait(), 30)
    stop.set()
    await asyncio.wait_for(working, 30)
    assert await count(db, "SELECT count(*) FROM pgqueuer WHERE status = 'queued'") == 1
    await drain(runtime, work)
    assert ran == [{"refund": "rfd_1"}]
