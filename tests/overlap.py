"""Two at once for sure: one transaction is held open until the other act waits for it."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from app.core.db import Session
from tests import sql

T = TypeVar("T")


def beside(act: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Begin an act that opens transactions of its own, while the test holds one open."""
    return asyncio.create_task(act, context=Context())


async def waits(session: Session, rival: asyncio.Task[Any]) -> bool:
    """Return True once the rival waits for what this transaction has locked, False if it ended without waiting."""
    while not rival.done():
        if await sql.fetchval(
            session,
            """SELECT EXISTS (SELECT 1 FROM pg_locks
                              WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))""",
        ):
            return True
    return False


async def queues(session: Session, rival: asyncio.Task[Any], *, places: int) -> bool:
    """Return True once so many wait for what this transaction has locked, in a row; False if the rival ended without."""
    while not rival.done():
        waiting = await sql.fetchval(
            session,
            """SELECT count(DISTINCT w.pid) FROM pg_locks w WHERE NOT w.granted AND w.pid IN (
                   SELECT pid FROM pg_locks d JOIN pg_database b ON b.oid = d.database AND b.datname = current_database())""",
        )
        if waiting >= places:
            return True
    return False
