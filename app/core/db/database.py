"""The connections of a process and the one way to a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg

from app.core import network
from app.core.db.json import decode_jsonb, encode_jsonb
from app.core.db.pool import Connection, Pool
from app.core.db.session import Session
from app.core.db.urls import asyncpg_url
from app.core.settings import Settings

_ANSWER_WITHIN_S = 3
"""How much longer than the server's own limit a statement is waited for."""


def connect_arguments(settings: Settings, name: str) -> dict[str, Any]:
    """What each connection of ours is opened with, for `asyncpg.connect` and its pool alike.

    A server that says nothing is given up a little after the time at which it should have ended the statement.
    """
    assert settings.database_url, "no database: wrap the settings in core.embedded.engines"
    limit_ms = settings.statement_timeout_ms
    return {
        "dsn": asyncpg_url(settings.database_url),
        "server_settings": {
            "application_name": name,
            "timezone": "UTC",
            "jit": "off",
            "statement_timeout": str(limit_ms),
            "lock_timeout": str(settings.lock_timeout_ms),
            "idle_in_transaction_session_timeout": "15000",
        },
        "timeout": 10,
        "command_timeout": limit_ms / 1000 + _ANSWER_WITHIN_S if limit_ms else None,
    }


async def _connect(arguments: dict[str, Any]) -> Connection:
    connection: Connection = await asyncpg.connect(**arguments, connection_class=Connection)
    connection.custom_plans = False
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=encode_jsonb, decoder=decode_jsonb, format="binary"
    )
    return connection


class Database:
    """A pool of `connections` and a small reserve, opened as they are needed and closed by the process that owns it.

    The reserve serves health, metrics and the like, so that these answer while requests hold every other connection.
    """

    def __init__(self, settings: Settings, *, connections: int, reserve: int = 1, name: str = "siyu") -> None:
        self.settings = settings
        self.url = settings.database_url or ""
        assert self.url, "no database: wrap the settings in core.embedded.engines"
        arguments = connect_arguments(settings, name)
        # Statements are planned once per connection; those that need another plan say so (see `Listing`).
        arguments["server_settings"]["plan_cache_mode"] = "force_generic_plan"
        connect = partial(_connect, arguments | {"statement_cache_size": 1_000})
        self._pool = Pool(connect, size=connections)
        self._reserve = Pool(connect, size=reserve)

    @asynccontextmanager
    async def transaction(self, *, reserved: bool = False, snapshot: bool = False) -> AsyncIterator[Session]:
        """Open a transaction, commit it when the block ends well, roll it back when it raises.

        Only the edge (routes through `Tx`, flows, consumers, jobs, commands) calls this; functions of a module take the
        session. With `snapshot` all statements see the database at one moment, and may take as long as they need; with
        `reserved` the connection comes from the reserve. Raises TransactionFailed instead of committing when a
        statement failed inside, PoolExhausted when no connection is free in time, and RuntimeError when this task
        already holds one.
        """
        if network._transaction_open.get():
            raise RuntimeError("this task already has a transaction open")
        pool = self._reserve if reserved else self._pool
        connection = await pool.acquire()
        token = network._transaction_open.set(True)
        session = Session(connection, snapshot=snapshot)
        try:
            yield session
            await session.commit()
        except BaseException:
            await session.roll_back()
            raise
        finally:
            network._transaction_open.reset(token)
            pool.release(connection)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Session]:
        """A session whose every statement is a transaction by itself: for readers, and for a writer of one statement.

        Each statement sees the database as it is by then, as in a transaction, without the cost of one. At the edge only.
        """
        if network._transaction_open.get():
            raise RuntimeError("this task already has a transaction open")
        connection = await self._pool.acquire()
        token = network._transaction_open.set(True)
        session = Session(connection, alone=True)
        try:
            yield session
            assert session.pending is None, "nothing comes later"
        finally:
            network._transaction_open.reset(token)
            self._pool.release(connection)

    async def connect(self, name: str) -> Connection:
        """A connection outside the pools, for a listener. The caller closes it."""
        return await _connect(connect_arguments(self.settings, name))

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()
        await self._reserve.close()
