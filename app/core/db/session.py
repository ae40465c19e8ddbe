"""One transaction on one connection: begun with its first statement, committed by the edge alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from app.core import faults
from app.core.db.pool import Connection

if TYPE_CHECKING:
    from app.core.db.bulk import Pending

T = TypeVar("T")


class TransactionFailed(RuntimeError):
    """A statement failed, the error was swallowed, and the transaction may not be committed: a bug."""


_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 0"
_DAY_S = 86_400.0
_PLANS = {False: "plan_cache_mode = force_generic_plan", True: "plan_cache_mode = force_custom_plan"}


class Session:
    """What functions of a module take: statements run inside its transaction.

    After a statement failed nothing is committed, even if the error was swallowed; `savepoint` bounds what may fail.
    """

    __slots__ = (
        "_alone",
        "_begin",
        "_begun",
        "_connection",
        "_custom_plans",
        "_patience_s",
        "_savepoints",
        "failed",
        "pending",
    )

    def __init__(self, connection: Connection, *, snapshot: bool = False, alone: bool = False) -> None:
        self._connection = connection
        self._begin = _SNAPSHOT if snapshot else "BEGIN"
        self._patience_s = _DAY_S if snapshot else None  # None: as long as the connection's own limit
        self._alone = alone  # then its statements are not put into a transaction
        self._begun = alone
        self._custom_plans = connection.custom_plans
        self._savepoints = 0
        self.failed = False
        self.pending: Pending | None = None

    async def fetch(self, sql: str, arguments: Sequence[Any], *, custom_plan: bool = False) -> list[asyncpg.Record]:
        """All rows of a compiled statement; `core.db` alone calls this."""
        if not self._is_ready(custom_plan):
            await self._prepare(custom_plan)
        return await self._watched(self._connection.fetch(sql, *arguments, timeout=self._patience_s))

    async def fetch_first(
        self, sql: str, arguments: Sequence[Any], *, custom_plan: bool = False
    ) -> asyncpg.Record | None:
        """The first row of a compiled statement."""
        if not self._is_ready(custom_plan):
            await self._prepare(custom_plan)
        return await self._watched(self._connection.fetchrow(sql, *arguments, timeout=self._patience_s))

    async def execute(self, sql: str, arguments: Sequence[Any] = (), *, custom_plan: bool = False) -> int:
        """Run a compiled statement; the number of rows it touched."""
        if not self._is_ready(custom_plan):
            await self._prepare(custom_plan)
        tag = await self._watched(self._connection.execute(sql, *arguments, timeout=self._patience_s))
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a compiled statement once per row, pipelined."""
        if not self._is_ready(False):
            await self._prepare(False)
        await self._watched(self._connection.executemany(sql, rows))

    def _is_ready(self, custom_plan: bool) -> bool:
        return self.pending is None and self._begun and self._custom_plans is custom_plan

    async def _prepare(self, custom_plan: bool) -> None:
        """Write what was left for later, and be in a transaction with the right kind of plans.

        Alone, the connection keeps the kind for whoever has it next: lists come one after the other.
        """
        await self.flush()
        steps = [] if self._begun else [self._begin]
        if self._custom_plans is not custom_plan:
            steps.append(f"SET {'' if self._alone else 'LOCAL '}{_PLANS[custom_plan]}")
        if steps:
            await self._watched(self._connection.execute("; ".join(steps)))
            self._begun, self._custom_plans = True, custom_plan
            if self._alone:
                self._connection.custom_plans = custom_plan

    async def flush(self) -> None:
        """Write what was left for later."""
        pending, self.pending = self.pending, None
        if pending is not None:
            await pending.write(self)

    async def _watched(self, answer: Awaitable[T]) -> T:
        """Whatever goes wrong fails the transaction; a connection whose state is not known is given up."""
        try:
            return await answer
        except BaseException as error:
            self.failed = True
            if isinstance(error, asyncpg.PostgresError):
                error.detail = None  # it quotes the row: names and phone numbers would stand in logs and dead letters
            if isinstance(error, asyncio.CancelledError) or faults.spoils_connection(error):
                self._connection.terminate()
            raise

    async def commit(self) -> None:
        """Make it last. Raises TransactionFailed when a statement failed inside."""
        await self.flush()
        if self.failed:
            raise TransactionFailed("a statement failed inside this transaction")
        if self._begun and await self._watched(self._connection.execute("COMMIT")) != "COMMIT":
            raise TransactionFailed("the database rolled this transaction back")

    async def roll_back(self) -> None:
        """Undo it; a connection that cannot even do that is given up."""
        if not self._begun or self._connection.is_closed():
            return
        try:
            await self._connection.execute("ROLLBACK")
        except BaseException as error:
            self._connection.terminate()
            if not isinstance(error, Exception):
                raise

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """See `core.db.savepoint`."""
        if not self._is_ready(self._custom_plans):
            await self._prepare(self._custom_plans)
        failed_before, plans_before = self.failed, self._custom_plans
        name = f"s{self._savepoints}"
        await self._watched(self._connection.execute(f"SAVEPOINT {name}"))
        self._savepoints += 1
        try:
            yield
            await self.flush()
            if self.failed:
                raise TransactionFailed("a statement failed inside this savepoint")
            await self._watched(self._connection.execute(f"RELEASE {name}"))
        except BaseException:
            self.pending = None
            if not self._connection.is_closed():
                await self._watched(self._connection.execute(f"ROLLBACK TO {name}; RELEASE {name}"))
                self.failed, self._custom_plans = failed_before, plans_before
            raise
        finally:
            self._savepoints -= 1


def savepoint(session: Session) -> AbstractAsyncContextManager[None]:
    """`async with savepoint(session):` a part of the transaction that may fail alone.

    What it wrote is undone when the block raises, and the transaction goes on. Raises TransactionFailed at its end when
    an error was swallowed inside.
    """
    return session.savepoint()
