"""Sweeps: everything that is due is visited, a few at a time, and one that cannot be dealt with holds up no other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import structlog

from app.core.db import Session
from app.core.errors import AppError
from app.core.runtime import Runtime

log = structlog.get_logger(__name__)

_AT_ONCE = 8
_PAGE = 200

Due = Callable[[Session, UUID, int], Awaitable[Sequence[UUID]]]
"""Ids that are due and greater than the given one, ascending, at most so many."""


async def visit(runtime: Runtime, name: str, *, due: Due, act: Callable[[UUID], Awaitable[object]]) -> None:
    """Call `act` for every id that is due, in the order of the ids, some of them at once.

    What `act` raises is logged, and that one stays due for the next sweep. Stopping in the middle is safe.
    """
    after = UUID(int=0)
    while True:
        async with runtime.db.transaction() as session:
            page = await due(session, after, _PAGE)
        if not page:
            return
        await _each(name, page, act)
        after = page[-1]


async def _each(name: str, page: Sequence[UUID], act: Callable[[UUID], Awaitable[object]]) -> None:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(subject: UUID) -> None:
        async with places:
            try:
                await act(subject)
            except Exception as error:
                level = log.warning if isinstance(error, AppError) else log.error
                level("sweep_left_one", sweep=name, subject=str(subject), error=repr(error))

    async with asyncio.TaskGroup() as tasks:
        for subject in page:
            tasks.create_task(one(subject))
