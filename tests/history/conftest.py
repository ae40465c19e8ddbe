"""One history for all tests of this folder, on a database of its own with one connection to read it by."""

import os
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from app import modules
from app.core import redis as core_redis
from app.core.auth import Kind, Role, open_family
from app.core.db import Database, asyncpg_url
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.payments import Collectors
from app.simulator import SimulatorKeys
from app.wechat import MiniProgram, WechatPay
from tests.databases import clone, drop, named
from tests.history.generated import History, generate

ORDERS = int(os.environ.get("HISTORY_ORDERS", "200000"))


@pytest.fixture(scope="session")
async def old_settings(engine_settings: Settings, template: str) -> AsyncIterator[Settings]:
    name = f"siyu_history_{uuid4().hex[:10]}"
    await clone(engine_settings, template, name)
    yield named(engine_settings, name)
    await drop(engine_settings, name)


@pytest.fixture(scope="session")
async def history(old_settings: Settings) -> History:
    return await generate(asyncpg_url(str(old_settings.database_url)), ORDERS)


@pytest.fixture(scope="session")
async def old_db(old_settings: Settings, history: History) -> AsyncIterator[Database]:
    """One connection, as after a while in a process: whatever is prepared stays prepared."""
    database = Database(old_settings, connections=1)
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def old_api(
    app: FastAPI, old_settings: Settings, old_db: Database, simulator_keys: SimulatorKeys
) -> AsyncIterator[httpx.AsyncClient]:
    runtime = Runtime(
        old_settings,
        old_db,
        core_redis.connect(old_settings),
        WechatPay.open(old_settings),
        MiniProgram.open(old_settings),
        Collectors(modules.collectors()),
    )
    transport = httpx.ASGITransport(app=app)

    async def here(request: httpx.Request) -> None:
        app.state.runtime = runtime  # other tests of this process put theirs there

    async with httpx.AsyncClient(
        transport=transport, base_url="http://api", timeout=120, event_hooks={"request": [here]}
    ) as client:
        yield client
    await runtime.redis.aclose()


@pytest.fixture(scope="session")
async def tokens(old_db: Database, old_settings: Settings, history: History) -> dict[str, dict[str, str]]:
    """The header of each kind of caller."""
    staff: dict[str, tuple[Role, str, UUID]] = {
        "hq": (Role.HQ, "/hq/", history.busy_guide),
        "region": (Role.REGION, "/hq/r1/", history.busy_guide),
        "manager": (Role.MANAGER, "/hq/r1/s1/", history.busy_guide),
        "guide": (Role.GUIDE, "/hq/r1/s1/", history.busy_guide),
        "idle guide": (Role.GUIDE, "/hq/r0/s400/", history.idle_guide),
    }
    headers: dict[str, dict[str, str]] = {"anybody": {}}
    async with old_db.transaction() as session:
        for name, (role, path, subject) in staff.items():
            pair = await open_family(
                session, old_settings, kind=Kind.STAFF, subject_id=subject, role=role, scope_path=path
            )
            headers[name] = {"Authorization": f"Bearer {pair.access_token}"}
        for name, customer in (("customer", history.customer), ("distributor", history.distributor_customer)):
            pair = await open_family(session, old_settings, kind=Kind.CUSTOMER, subject_id=customer)
            headers[name] = {"Authorization": f"Bearer {pair.access_token}"}
    return headers
