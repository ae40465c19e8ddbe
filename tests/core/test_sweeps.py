"""A sweep visits everything that is due; what cannot be dealt with waits for the next one and holds up nothing."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from app.core import sweeps
from app.core.db import Session
from app.core.errors import Conflict
from app.core.ids import new_id
from app.core.jobs import Cron, JobRunner
from app.core.runtime import Runtime


class Due:
    """Ids that are due until they are done."""

    def __init__(self, size: int) -> None:
        self.ids = sorted(new_id() for _ in range(size))
        self.visited: list[UUID] = []
        self.running = self.most_at_once = 0

    async def page(self, _: Session, after: UUID | None, limit: int) -> Sequence[UUID]:
        return [subject for subject in self.ids if after is None or subject > after][:limit]

    async def visit(self, subject: UUID) -> None:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        await asyncio.sleep(0)
        self.running -= 1
        self.visited.append(subject)


async def test_everything_due_is_visited_once_and_a_few_at_a_time(runtime: Runtime) -> None:
    due = Due(450)
    await sweeps.visit(runtime, "test.sweep", due=due.page, act=due.visit)
    assert sorted(due.visited) == due.ids
    assert 1 < due.most_at_once <= 8


@pytest.mark.parametrize("error", [Conflict(), RuntimeError("a bug")])
async def test_what_fails_holds_up_nothing_behind_it(runtime: Runtime, error: Exception) -> None:
    due = Due(450)
    hopeless = set(due.ids[:300])

    async def act(subject: UUID) -> None:
        await due.visit(subject)
        if subject in hopeless:
            raise error

    await sweeps.visit(runtime, "test.sweep", due=due.page, act=act)
    assert set(due.ids) - hopeless <= set(due.visited)
    assert len(due.visited) == 450


async def test_stopping_does_not_wait_for_a_long_sweep(runtime: Runtime) -> None:
    begun, left = asyncio.Event(), asyncio.Event()

    async def endless(_: Runtime) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    runner = JobRunner(runtime, [], [Cron("test.endless", "* * * * * *", endless)])
    running = asyncio.create_task(runner.run())
    await asyncio.wait_for(begun.wait(), 30)
    runner.stop()
    await asyncio.wait_for(running, 20)
    assert left.is_set()
