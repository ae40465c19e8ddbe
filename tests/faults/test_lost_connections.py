"""PostgreSQL restarts under running processes: they go on by themselves, and nobody has to restart them."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.core.db import Database, asyncpg_url
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.processes.worker import Worker
from tests.audit import audit, becomes
from tests.conftest import _Clients
from tests.faults.test_killed import refund
from tests.shop import Shop


async def end_connections(db: Database) -> int:
    """What a restart does to everybody who is connected; how many that were."""
    connection = await asyncpg.connect(asyncpg_url(db.url))
    try:
        ended = await connection.fetch(
            """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
               WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
        )
    finally:
        await connection.close()
    return len(ended)


async def test_the_api_serves_again_at_once(shop: Shop, db: Database) -> None:
    buyer = await shop.customer()
    await asyncio.gather(*(buyer.get("/v1/mall/orders") for _ in range(30)))
    assert await end_connections(db) > 1
    assert [(await buyer.get("/v1/mall/orders")).status_code for _ in range(30)] == [200] * 30
    await buyer.pay(await buyer.order(2))
    assert await audit(db) == []


@pytest.fixture
async def working(settings: Settings, redis: Redis, wechat_clients: _Clients) -> AsyncIterator[Worker]:
    """A worker of its own connections, which must end by itself."""
    own = Database(settings, connections=settings.worker_connections, name="siyu-worker")
    worker = Worker(Runtime(settings, own, redis, wechat_clients.pay, wechat_clients.mini_program))
    running = asyncio.create_task(worker.run())
    yield worker
    worker.stop()
    await asyncio.wait_for(running, 30)
    await own.close()


LISTENING = """SELECT count(*) FROM pg_stat_activity
               WHERE application_name = 'siyu-listener' AND datname = current_database()"""
UNTOLD = """SELECT (SELECT count(*) FROM event_outbox)
                 + (SELECT count(*) FROM event_cursor WHERE seq < (SELECT max(seq) FROM event))"""


async def test_the_worker_goes_on_with_the_log_and_the_queue(shop: Shop, db: Database, working: Worker) -> None:
    await becomes(db, LISTENING, 1)
    buyer, staff = await shop.customer(), await shop.staff("hq")
    order = await buyer.order(1)
    await buyer.pay(order)
    await becomes(db, UNTOLD, 0)
    assert await end_connections(db) > 1
    agreed = await refund(staff, order["order"], "back")
    assert agreed.status_code == 201, agreed.text
    await becomes(db, "SELECT count(*) FROM payments_refund WHERE status = 'succeeded'", 1)
    await becomes(db, UNTOLD, 0)
    await becomes(db, LISTENING, 1)
    assert await audit(db) == []
