"""What was read, what PostgreSQL touched for it, and how long it took."""

import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from app.core.db import Database, Session

TIMES = 10
REPORT_MS = 1_000


@dataclass(frozen=True)
class Ran:
    """A statement with its values and kind of plan."""

    sql: str
    arguments: Sequence[Any]
    custom_plan: bool


@contextmanager
def noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Ran]]:
    """What is read meanwhile."""
    ran: list[Ran] = []
    with monkeypatch.context() as patch:
        for name in ("fetch", "fetch_first", "execute"):
            patch.setattr(Session, name, _noting(getattr(Session, name), ran))
        yield ran


def _noting(read: Any, ran: list[Ran]) -> Any:
    async def note(self: Session, sql: str, arguments: Sequence[Any] = (), *, custom_plan: bool = False) -> Any:
        ran.append(Ran(sql, arguments, custom_plan))
        return await read(self, sql, arguments, custom_plan=custom_plan)

    return note


class _Undone(Exception):
    pass


async def blocks(db: Database, ran: Ran) -> int:
    """How many blocks PostgreSQL touches for it, under the plan that it gets in the product; nothing is changed."""
    text = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {ran.sql}"
    touched = -1
    with suppress(_Undone):
        async with db.transaction() as session:
            row = await session.fetch_first(text, ran.arguments, custom_plan=ran.custom_plan)
            assert row is not None
            plan = json.loads(row[0])[0]["Plan"]
            touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            raise _Undone
    return touched


async def elapsed_ms(call: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await call()
    return (time.perf_counter() - began) * 1_000


def steady(took_ms: Sequence[float], *, at_least_ms: float) -> bool:
    """Whether the later half is at most twice the first call, or twice `at_least_ms` where that is more.

    PostgreSQL may settle on a generic plan at the sixth execution, and then every later one is slow. The fastest of
    them tells this from a busy machine, which slows some.
    """
    return min(took_ms[len(took_ms) // 2 :]) <= 2 * max(took_ms[0], at_least_ms)
