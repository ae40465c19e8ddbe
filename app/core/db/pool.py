"""Connections, kept open between transactions: a bounded wait for one, none that was lost, none too old."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

if TYPE_CHECKING:
    _Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection  # generic in its stubs only


class Connection(_Connection):
    """A connection that remembers how it plans between transactions: for any values, or for those of each execution."""

    __slots__ = ("custom_plans",)
    custom_plans: bool


Connect = Callable[[], Awaitable[Connection]]

_CLOSE_WITHIN_S = 3.0


class PoolExhausted(TimeoutError):
    """No connection became free in time."""


@dataclass(slots=True)
class _Idle:
    connection: Connection
    opened_at: float


class Pool:
    """At most `size` connections. The one used last is handed out first, so that spare ones grow old and are closed."""

    def __init__(self, connect: Connect, *, size: int, wait_s: float = 10.0, max_age_s: float = 1800.0) -> None:
        self._connect = connect
        self._free = asyncio.Semaphore(size)
        self._wait_s = wait_s
        self._max_age_s = max_age_s
        self._idle: list[_Idle] = []
        self._opened: dict[Connection, float] = {}
        self._closed = False

    async def acquire(self) -> Connection:
        """A connection that is open as far as this side knows. Raises PoolExhausted, and what connecting raises."""
        if self._free.locked():
            try:
                async with asyncio.timeout(self._wait_s):
                    await self._free.acquire()
            except TimeoutError as error:
                raise PoolExhausted(f"no database connection was free within {self._wait_s:g} s") from error
        else:
            await self._free.acquire()
        try:
            return self._take_idle() or await self._open()
        except BaseException:
            self._free.release()
            raise

    def _take_idle(self) -> Connection | None:
        while self._idle:
            idle = self._idle.pop()
            if idle.connection.is_closed():
                continue
            if time.monotonic() - idle.opened_at > self._max_age_s:
                idle.connection.terminate()
                continue
            self._opened[idle.connection] = idle.opened_at
            return idle.connection
        return None

    async def _open(self) -> Connection:
        connection = await self._connect()
        self._opened[connection] = time.monotonic()
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back. It has no open transaction, or it was terminated."""
        opened_at = self._opened.pop(connection)
        if self._closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(_Idle(connection, opened_at))
        self._free.release()

    async def close(self) -> None:
        """Close idle connections, for a few seconds: a silent server keeps no process from ending.

        A connection that is in use is terminated when it comes back.
        """
        self._closed = True
        idle, self._idle = self._idle, []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await asyncio.gather(*(one.connection.close() for one in idle), return_exceptions=True)
        for one in idle:
            if not one.connection.is_closed():
                one.connection.terminate()
