"""The ground every test stands on: real engines, a migrated database of its own, the whole app over ASGI.

Without SIYU_DATABASE_URL and SIYU_REDIS_URL the embedded engines are started; with them the same suite runs on the
servers that they name (the database user must be allowed to create databases).
"""

import asyncio
import functools
import inspect
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
import structlog
from argon2 import PasswordHasher
from fastapi import FastAPI
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from app import modules
from app.core import redis as core_redis
from app.core.db import Database
from app.core.embedded import engines
from app.core.events import register, run_once, sequence_once
from app.core.http.limits import Limiter
from app.core.jobs import JobRunner
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.migrations import schema
from app.payments import Collectors
from app.processes.api import create_app
from app.simulator import SimulatorKeys, create_simulator, load_or_make, settings_for
from app.stores import passwords
from app.wechat import MiniProgram, Reply, WechatPay
from tests.databases import OwnDatabase, maintenance, named
from tests.declared import as_declared
from tests.in_process import Application

Drain = Callable[[], Awaitable[int]]

structlog.configure(
    processors=[structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)],
    wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
    logger_factory=structlog.PrintLoggerFactory(sys.stderr),
)


# The real argon2id at its lowest cost: most tests make several people who log in.
passwords._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

_LONGEST_TEST_S = 150


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A coroutine that hangs fails alone and says where; for all else there is `faulthandler_timeout`."""

    def bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        @functools.wraps(test)
        async def run(*args: object, **options: object) -> None:
            async with asyncio.timeout(_LONGEST_TEST_S):
                await test(*args, **options)

        return run

    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = bounded(item.obj)


class _TogetherOrAlone(LoadScopeScheduling):
    """Tests of the history go to one process, which generates it once; every other test to whichever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return "history" if nodeid.startswith("tests/history/") else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    # `--dist loadgroup` would do, but xdist 3.8 writes groups where pytest 9.2 does not look for them.
    return _TogetherOrAlone(config, log)


@pytest.fixture(scope="session")
def simulator_keys(tmp_path_factory: pytest.TempPathFactory) -> SimulatorKeys:
    return load_or_make(tmp_path_factory.mktemp("simulator"))


@pytest.fixture(scope="session")
def engine_settings(simulator_keys: SimulatorKeys) -> Iterator[Settings]:
    """Settings that name running engines and the simulator's WeChat."""
    with tempfile.TemporaryDirectory(prefix="siyu-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # root's database runs as another user, who has to pass through
        base = Settings(
            environment="test",
            data_dir=Path(folder),
            database_url=os.environ.get("SIYU_DATABASE_URL"),
            redis_url=_own_redis(os.environ.get("SIYU_REDIS_URL")),
            log_level="ERROR",
            rate_limits=False,
            _env_file=None,
        )
        with engines(base) as running:
            yield settings_for(running, simulator_keys, "http://simulator")


def _own_redis(url: str | None) -> str | None:
    """A numbered database for each of the suite's processes: every test empties the one that it uses."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) + 1
    return url and urlsplit(url)._replace(path=f"/{number}").geturl()


@pytest.fixture(scope="session")
async def template(engine_settings: Settings) -> AsyncIterator[str]:
    """A migrated database that others are cloned from."""
    name = f"siyu_template_{uuid4().hex[:10]}"
    assert engine_settings.database_url
    async with maintenance(engine_settings.database_url) as admin:
        await admin.execute(f"CREATE DATABASE {name}")
    database = Database(named(engine_settings, name), connections=1)
    await schema.upgrade(database)
    async with database.transaction() as session:
        await register(session, modules.consumers())
    await database.close()
    yield name
    async with maintenance(engine_settings.database_url) as admin:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
async def own_database(engine_settings: Settings, template: str) -> AsyncIterator[OwnDatabase]:
    own = OwnDatabase(engine_settings, template)
    yield own
    await own.close()


@pytest.fixture
async def settings(own_database: OwnDatabase) -> AsyncIterator[Settings]:
    """Settings of this test: a database with nothing in it."""
    yield await own_database.ready()
    await own_database.empty()


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings, connections=20)
    yield database
    await database.close()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    cache = core_redis.connect(settings)
    await cache.flushdb()
    yield cache
    await cache.aclose()


class Stage:
    """The app, its WeChat and a phone's client, wired together in one process."""

    def __init__(self, keys: SimulatorKeys) -> None:
        self._keys = keys
        self.simulator_app = create_simulator(keys, post=self._to_api)
        self.simulator = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.simulator_app), base_url="http://simulator"
        )
        self.wechat = Application(self.simulator_app)
        self.api: httpx.AsyncClient | None = None
        self.api_transport: httpx.ASGITransport | None = None

    async def _to_api(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """WeChat's way to our callback address, known only once the app is up."""
        assert self.api_transport is not None, "a notification came while no app was up"
        return await Application(self.api_transport.app, raising=False).post(url, body, headers)

    async def deliver(self) -> None:
        """Return once every notification that is due has been delivered, and what it caused."""
        (await self.simulator.post("/simulator/clock", json={"advance_s": 0})).raise_for_status()

    async def close(self) -> None:
        await self.simulator_app.state.simulator.close()
        await self.simulator.aclose()


@pytest.fixture
async def stage(simulator_keys: SimulatorKeys) -> AsyncIterator[Stage]:
    built = Stage(simulator_keys)
    yield built
    await built.close()


@pytest.fixture
async def simulator(stage: Stage) -> httpx.AsyncClient:
    """The simulator's controls, such as `POST /simulator/buyers`."""
    return stage.simulator


@dataclass
class _Clients:
    """The clients to WeChat, opened once: reading their keys takes longer than most tests."""

    pay: WechatPay = field(init=False)
    mini_program: MiniProgram = field(init=False)
    wechat: Application | None = None
    """The simulator of the test that runs now."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        assert self.wechat is not None, "no stage is set"
        return await self.wechat.send(method, url, headers, content)


@pytest.fixture(scope="session")
async def wechat_clients(engine_settings: Settings) -> AsyncIterator[_Clients]:
    clients = _Clients()
    clients.pay = WechatPay.open(engine_settings, send=clients.send)
    clients.mini_program = MiniProgram.open(engine_settings, send=clients.send)
    yield clients
    await clients.mini_program.close_client()
    await clients.pay.close_client()


@pytest.fixture
async def runtime(settings: Settings, db: Database, redis: Redis, stage: Stage, wechat_clients: _Clients) -> Runtime:
    wechat_clients.wechat = stage.wechat
    collectors = Collectors(modules.collectors())
    return Runtime(settings, db, redis, wechat_clients.pay, wechat_clients.mini_program, collectors)


@pytest.fixture(scope="session")
def app(engine_settings: Settings) -> FastAPI:
    """The API, built once: each test gives it a runtime of its own."""
    return create_app(engine_settings)


@pytest.fixture
async def api(app: FastAPI, runtime: Runtime, stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole API over ASGI."""
    app.state.runtime = runtime
    app.state.limiter = Limiter(runtime)
    stage.api_transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    hooks = {"response": [as_declared]}
    async with httpx.AsyncClient(
        transport=stage.api_transport, base_url="http://api", timeout=30, event_hooks=hooks
    ) as client:
        stage.api = client
        yield client


@pytest.fixture
async def drain(runtime: Runtime) -> Drain:
    """Number and consume everything published so far; how many events were numbered."""

    async def run() -> int:
        numbered = 0
        while True:
            async with runtime.db.transaction() as session:
                moved = await sequence_once(session)
            numbered += moved
            consumed = sum([await run_once(runtime, consumer) for consumer in modules.consumers()])
            if moved == 0 and consumed == 0:
                return numbered

    return run


@pytest.fixture
async def run_jobs(runtime: Runtime) -> Callable[[], Awaitable[None]]:
    """Run every job that is due, then return."""

    async def run() -> None:
        await asyncio.wait_for(JobRunner(runtime, modules.jobs(), modules.timers()).drain(), 60)

    return run


from tests.shop import shop  # noqa: E402, F401  a fixture that stands on the ones above
