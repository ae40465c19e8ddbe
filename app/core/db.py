"""The database: one engine a process, transactions that only the edge opens, and the borrowed asyncpg connection.

Ordinary code uses the session. Hot verbs call `fetch`, `fetchrow`, `fetchval` and `execute` here, which run hand-written
SQL on the asyncpg connection of the session's own open transaction. The bare driver bites, so this wrapper first
flushes the session, emits the pending BEGIN or SAVEPOINT, and marks the transaction failed on any error, after which
the edge refuses to commit even if somebody swallowed the error. Hot verbs hold no ORM rows.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core import network
from app.core.settings import Settings

__all__ = ["AsyncSession", "Database", "TransactionFailed", "execute", "fetch", "fetchrow", "fetchval", "savepoint"]


class TransactionFailed(RuntimeError):
    """A statement failed, the error was swallowed, and the transaction may not be committed: a bug."""


@dataclass
class _State:
    failed: bool = False


_state: ContextVar[_State | None] = ContextVar("transaction_state", default=None)


_ANSWER_WITHIN_S = 3
"""How much longer than the server's own limit a statement is waited for, and how long for a good-bye."""

ENGINE_URL = "postgresql+asyncpg://"
"""For SQLAlchemy, which hands the rest to the driver: `connect_args={"dsn": asyncpg_url(…)}`."""


def asyncpg_url(database_url: str) -> str:
    """The URL as the driver takes it: libpq's parameters, and SQLAlchemy's `ssl` as another word for `sslmode`."""
    url = make_url(database_url).set(drivername="postgresql")
    if "ssl" in url.query:
        url = url.update_query_dict({"sslmode": url.query["ssl"]}).difference_update_query(["ssl"])
    return url.render_as_string(hide_password=False)


class Database:
    """The engine and the one way to a transaction. Opened and closed by the process that owns it."""

    def __init__(self, settings: Settings, *, connections: int, name: str = "siyu") -> None:
        assert settings.database_url, "no database: wrap the settings in core.embedded.engines"
        self.url = settings.database_url
        self._settings = settings
        self.engine: AsyncEngine = create_async_engine(
            ENGINE_URL,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=False,
            pool_recycle=1800,
            json_deserializer=msgspec.json.decode,
            connect_args=self.connect_arguments(name),
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_lost)
        event.listen(self.engine.sync_engine, "handle_error", _mark_failed)
        self._sessions = async_sessionmaker(self.engine, class_=AsyncSession, expire_on_commit=False)

    def connect_arguments(self, name: str) -> dict[str, Any]:
        """What each connection of ours is opened with, for `asyncpg.connect` and its pool as for the engine.

        A server that says nothing is given up a little after the time at which it should have ended the statement.
        """
        limit_ms = self._settings.statement_timeout_ms
        return {
            "dsn": asyncpg_url(self.url),
            "server_settings": {
                "application_name": name,
                "timezone": "UTC",
                "jit": "off",
                "statement_timeout": str(limit_ms),
                "lock_timeout": str(self._settings.lock_timeout_ms),
                "idle_in_transaction_session_timeout": "15000",
            },
            "timeout": 10,
            "command_timeout": limit_ms / 1000 + _ANSWER_WITHIN_S if limit_ms else None,
        }

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction, commit it when the block ends well, roll it back when it raises.

        Only the edge (routes through `Tx`, flows, consumers, jobs, commands) calls this; verbs take the session.
        Raises TransactionFailed instead of committing when a statement failed inside, and RuntimeError when this
        task already holds one.
        """
        if _state.get() is not None:
            raise RuntimeError("this task already has a transaction open")
        state = _State()
        state_token = _state.set(state)
        network_token = network._transaction_open.set(True)
        try:
            async with self._sessions() as session:
                yield session
                if state.failed:
                    raise TransactionFailed("a statement failed inside this transaction")
                await session.commit()
        finally:
            network._transaction_open.reset(network_token)
            _state.reset(state_token)

    async def close(self) -> None:
        """Say good-bye on every connection, for a few seconds: a silent server keeps no process from ending."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                await self.engine.dispose()


def _refuse_lost(connection: Any, *_: Any) -> None:
    """The pool replaces a connection that was lost: hand-written SQL fails without SQLAlchemy's seeing it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the connection was lost")


def _mark_failed(context: ExceptionContext | None = None) -> None:
    state = _state.get()
    if state is not None:
        state.failed = True
    if context is not None and isinstance(context.original_exception, TimeoutError):
        context.is_disconnect, context.invalidate_pool_on_disconnect = True, False


@contextmanager
def _watched(connection: "asyncpg.Connection[asyncpg.Record]") -> Iterator[None]:
    """Whatever goes wrong marks the transaction; a server that did not answer in time is not asked again."""
    try:
        yield
    except BaseException as error:
        _mark_failed()
        if isinstance(error, TimeoutError):
            connection.terminate()
        raise


@asynccontextmanager
async def savepoint(session: AsyncSession) -> AsyncIterator[None]:
    """A part of the transaction that may fail alone. Hot SQL inside it is undone with it."""
    state = _state.get()
    failed_before = state.failed if state else False
    nested = await session.begin_nested()
    try:
        yield
        if state is not None and state.failed:
            raise TransactionFailed("a statement failed inside this savepoint")
        await nested.commit()
    except BaseException:
        if nested.is_active:
            await nested.rollback()
        if state is not None:
            state.failed = failed_before
        raise


async def _borrow(session: AsyncSession) -> "asyncpg.Connection[asyncpg.Record]":
    sync = session.sync_session
    if sync.new or sync.dirty or sync.deleted:
        await session.flush()
    current = sync.get_nested_transaction() or sync.get_transaction()
    known = sync.info.get("borrowed")
    if known is not None and known[0] is current:
        connection: asyncpg.Connection[asyncpg.Record] = known[1]
        return connection
    # session.connection() is what emits a SAVEPOINT that begin_nested() only noted.
    raw = await (await session.connection()).get_raw_connection()
    adapted: Any = raw.dbapi_connection
    connection = adapted.driver_connection
    if adapted._transaction is None:
        # SQLAlchemy begins with its own first statement; ours would autocommit before that.
        with _watched(connection):
            await adapted._start_transaction()
    sync.info["borrowed"] = (sync.get_nested_transaction() or sync.get_transaction(), connection)
    return connection


async def fetch(session: AsyncSession, sql: str, *args: Any) -> list[asyncpg.Record]:
    """All rows of hand-written SQL, run inside the session's transaction. JSONB goes in as text and comes out decoded."""
    connection = await _borrow(session)
    with _watched(connection):
        return await connection.fetch(sql, *args)


async def fetchrow(session: AsyncSession, sql: str, *args: Any) -> asyncpg.Record | None:
    """The first row or None."""
    connection = await _borrow(session)
    with _watched(connection):
        return await connection.fetchrow(sql, *args)


async def fetchval(session: AsyncSession, sql: str, *args: Any) -> Any:
    """The first column of the first row or None."""
    row = await fetchrow(session, sql, *args)
    return None if row is None else row[0]


async def execute(session: AsyncSession, sql: str, *args: Any) -> int:
    """Run a statement; the number of rows it touched."""
    connection = await _borrow(session)
    with _watched(connection):
        tag = await connection.execute(sql, *args)
    count = tag.rpartition(" ")[2]
    return int(count) if count.isdigit() else 0


async def executemany(session: AsyncSession, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Run a statement once per row, pipelined."""
    connection = await _borrow(session)
    with _watched(connection):
        await connection.executemany(sql, rows)
