"""A database that takes everything and answers nothing: who waits for it is told in time, and goes on when it speaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import make_url

from app.core.db import Database
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.processes.worker import Worker
from tests import sql
from tests.audit import audit, becomes
from tests.conftest import _Clients
from tests.faults.test_lost_connections import LISTENING, UNTOLD
from tests.shop import Shop


class Wire:
    """The way to PostgreSQL, which may go silent."""

    def __init__(self, database_url: str) -> None:
        self._target = make_url(database_url)
        self.silent = False

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        near = self._target.set(host="127.0.0.1", port=port).difference_update_query(["host"])
        return near.render_as_string(hide_password=False)

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        folder = self._target.query.get("host")
        if folder:
            far_reader, far_writer = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        else:
            far_reader, far_writer = await asyncio.open_connection(self._target.host, self._target.port or 5432)
        await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if self.silent:
                    continue
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def wire(settings: Settings) -> AsyncIterator[Wire]:
    assert settings.database_url
    opened = Wire(settings.database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def far(settings: Settings, wire: Wire) -> Settings:
    """Settings of a process on the other end of that wire, which does not wait long."""
    return settings.model_copy(update={"database_url": wire.url, "statement_timeout_ms": 500})


async def by_hand(database: Database) -> int:
    async with database.transaction() as session:
        return int(await sql.fetchval(session, "SELECT 1"))


async def test_nobody_waits_for_ever(wire: Wire, far: Settings) -> None:
    database = Database(far, connections=2)
    assert await by_hand(database) == 1
    wire.silent = True
    async with asyncio.timeout(60):
        with pytest.raises(TimeoutError):
            await by_hand(database)
    wire.silent = False
    assert [await by_hand(database) for _ in range(4)] == [1] * 4
    wire.silent = True
    async with asyncio.timeout(10):
        await database.close()


async def test_a_worker_goes_on_and_ends(
    wire: Wire, far: Settings, shop: Shop, db: Database, redis: Redis, wechat_clients: _Clients
) -> None:
    own = Database(far, connections=6, name="siyu-worker")
    worker = Worker(Runtime(far, own, redis, wechat_clients.pay, wechat_clients.mini_program))
    running = asyncio.create_task(worker.run())
    buyer = await shop.customer()
    await buyer.pay(await buyer.order(1))
    await becomes(db, UNTOLD, 0)
    wire.silent = True
    await becomes(db, LISTENING, 0)
    await buyer.pay(await buyer.order(1))
    wire.silent = False
    await becomes(db, UNTOLD, 0)
    await becomes(db, LISTENING, 1)
    assert await audit(db) == []
    wire.silent = True
    worker.stop()
    async with asyncio.timeout(60):
        await running
    await own.close()
