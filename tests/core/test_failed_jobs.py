"""A job that failed for good waits for a person, who sees why and runs it again."""

import asyncio
from typing import Any

from app.core import jobs
from app.core.db import Database
from app.core.jobs import Job, JobRunner
from app.core.runtime import Runtime
from tests import sql
from tests.shop import Shop

HELD = "/v1/admin/jobs/failed"


async def test_headquarters_sees_a_held_job_and_runs_it_again(shop: Shop, db: Database, runtime: Runtime) -> None:
    mended, seen = False, []

    async def work(_: Runtime, arguments: dict[str, Any]) -> None:
        if not mended:
            raise RuntimeError("the certificate ran out")
        seen.append(arguments)

    async def drain() -> None:
        await asyncio.wait_for(JobRunner(runtime, [Job("test.work", work, max_attempts=1)], []).drain(), 30)

    async with db.transaction() as session:
        await jobs.defer(session, "test.work", key="a", refund="rfd_1")
    await drain()
    async with db.transaction() as session:  # its last attempt is due
        await sql.execute(session, "UPDATE pgqueuer SET execute_after = clock_timestamp() - interval '1 second'")
    await drain()
    hq = await shop.staff("hq")
    (held,) = (await hq.get(HELD)).json()["items"]
    assert held["job"] == "test.work"
    assert held["arguments"] == {"refund": "rfd_1"}
    assert "the certificate ran out" in held["error"]
    again = f"{HELD}/{held['id']}/retry"
    assert (await (await shop.staff("manager")).post(again)).status_code == 403
    async with db.transaction() as session:  # somebody asks for the same again
        await jobs.defer(session, "test.work", key="a", refund="rfd_1")
    refused = await hq.post(again)
    assert (refused.status_code, refused.json()["code"]) == (409, "job_already_queued")
    async with db.transaction() as session:
        await sql.execute(session, "DELETE FROM pgqueuer WHERE status = 'queued'")
    mended = True
    assert (await hq.post(again)).status_code == 204
    await drain()
    assert seen == [{"refund": "rfd_1"}]
    assert (await hq.get(HELD)).json()["items"] == []
    assert (await hq.post(again)).status_code == 404, "it is not held any more"
    async with db.transaction() as session:
        assert await jobs.failed_count(session) == 0
        assert await sql.fetchval(session, "SELECT count(*) FROM pgqueuer") == 0
