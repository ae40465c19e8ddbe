"""Rate limits: who counts as one caller, what a spent budget answers, and that a lost or silent Redis costs nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from limits import parse
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.cli.processes import mapped
from app.core import redis as core_redis
from app.core.auth import public
from app.core.db import Database
from app.core.errors import RateLimited
from app.core.http import limit, limits
from app.core.http.limits import Limiter
from app.core.ids import new_id
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.processes.api import create_app

PROBLEM = {"type", "title", "status", "code", "detail", "details", "request_id"}


@pytest.fixture
async def limited(
    settings: Settings, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[httpx.AsyncClient, FastAPI]]:
    """An app whose limits are on, with a route that takes three a minute. A loaded machine's Redis is waited for."""
    monkeypatch.setattr(limits, "QUICK_S", 10.0)
    strict = Runtime(
        settings.model_copy(update={"rate_limits": True}), runtime.db, runtime.redis, *runtime._clients.values()
    )
    app = create_app(strict.settings)
    app.state.runtime = strict
    app.state.limiter = Limiter(strict)

    @app.get(f"/test/{new_id()}", dependencies=[public, limit(f"test {new_id()}", "3/minute")], name="limited")
    async def act() -> str:
        return "done"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
        yield client, app


async def test_over_the_budget_one_is_told_when_to_come_back(limited: tuple[httpx.AsyncClient, FastAPI]) -> None:
    client, app = limited
    path = app.url_path_for("limited")
    replies = [await client.get(path) for _ in range(5)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429, 429]
    refused = replies[-1]
    assert refused.json()["code"] == "rate_limited"
    assert 0 < refused.json()["details"]["retry_after_ms"] <= 120_000
    assert int(refused.headers["retry-after"]) >= 1


async def test_the_first_tenth_of_a_budget_costs_no_trip_and_counts_with_the_rest(runtime: Runtime) -> None:
    item = parse("30/minute")
    name = f"test {new_id()}"
    here, there = Limiter(runtime), Limiter(runtime)

    async def keys() -> int:
        return len([key async for key in runtime.redis.scan_iter(f"*{name}*")])

    for _ in range(3):
        await here.hit(item, name)
    assert await keys() == 0
    for _ in range(27):
        await here.hit(item, name)
    assert await keys() > 0
    with pytest.raises(RateLimited):
        await here.hit(item, name)
    for _ in range(3):
        await there.hit(item, name)
    with pytest.raises(RateLimited):
        await there.hit(item, name)


def test_callers_who_are_counted_here_are_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_MOST_COUNTED", 4)
    firsts = limits._Firsts()
    item = parse("10/minute")
    assert [firsts.count(item, ("act", str(caller))) for caller in range(9)] == [0] * 9
    assert len(firsts._counts) <= 4


def test_each_act_of_a_longer_budget_is_counted_by_all_processes() -> None:
    firsts = limits._Firsts()
    assert [firsts.count(parse("30/10minutes"), ("password", "boss")) for _ in range(4)] == [1] * 4
    assert not firsts._counts


async def ask_from(app: FastAPI, address: str) -> int:
    """What the limited route answers a caller at an address."""
    transport = httpx.ASGITransport(app=app, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        return (await client.get(app.url_path_for("limited"))).status_code


async def test_who_has_a_whole_ipv6_network_is_one_caller(limited: tuple[httpx.AsyncClient, FastAPI]) -> None:
    ask = partial(ask_from, limited[1])
    network = [await ask(f"2001:db8:0:1::{host}") for host in range(1, 6)]
    assert network == [200, 200, 200, 429, 429]
    assert [await ask("2001:db8:0:2::1"), await ask("192.0.2.1"), await ask("192.0.2.2")] == [200, 200, 200]


async def test_ipv4_callers_are_told_apart_however_their_address_is_written(
    limited: tuple[httpx.AsyncClient, FastAPI],
) -> None:
    ask = partial(ask_from, limited[1])
    assert [await ask(f"::ffff:192.0.2.{host}") for host in range(1, 6)] == [200] * 5
    assert [await ask(address) for address in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1")] == [200, 200, 429]


async def test_a_trusted_proxy_is_trusted_as_a_socket_for_both_kinds_of_addresses_names_it() -> None:
    trusted = ("127.0.0.1", "10.1.0.0/16", "::1", "*")
    assert mapped(trusted) == ["::ffff:127.0.0.1/128", "::ffff:10.1.0.0/112"]
    seen: list[str] = []

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        assert scope["client"] is not None
        seen.append(scope["client"][0])

    proxied = ProxyHeadersMiddleware(app, mapped(trusted))
    for address in ("::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:10.2.0.1"):
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=proxied, client=(address, 50_000)),
            base_url="http://api",
        ) as client:
            with contextlib.suppress(AssertionError):  # the app does not answer
                await client.get("/", headers={"X-Forwarded-For": "198.51.100.7"})
    assert seen == ["198.51.100.7", "198.51.100.7", "::ffff:10.2.0.1"]


async def test_one_logins_passwords_are_not_tried_from_everywhere(limited: tuple[httpx.AsyncClient, FastAPI]) -> None:
    _, app = limited

    async def log_in(login: str, address: str) -> int:
        transport = httpx.ASGITransport(app=app, client=(address, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            wrong = {"login": login, "password": "not the password"}
            return (await client.post("/v1/admin/session", json=wrong)).status_code

    replies = [await log_in("boss", f"192.0.2.{host}") for host in range(1, 34)]
    assert replies == [401] * 30 + [429] * 3
    assert await log_in("somebody", "192.0.2.40") == 401


async def test_limits_hold_in_memory_while_redis_is_away(
    limited: tuple[httpx.AsyncClient, FastAPI], settings: Settings, runtime: Runtime
) -> None:
    client, app = limited
    path = app.url_path_for("limited")
    gone = core_redis.connect(settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"}))
    app.state.limiter = Limiter(Runtime(settings, runtime.db, gone))
    try:
        async with asyncio.timeout(20):
            replies = [await client.get(path) for _ in range(4)]
    finally:
        await gone.aclose()
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert replies[-1].headers["retry-after"]


@pytest.fixture
async def silent(settings: Settings) -> AsyncIterator[tuple[Redis, list[str]]]:
    """A Redis that takes connections and says nothing, and who has come so far."""
    came: list[str] = []

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("somebody")
        while await reader.read(1024):
            pass
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mute = core_redis.connect(settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"}))
    yield mute, came
    await mute.aclose()
    server.close()


async def test_a_silent_redis_costs_one_request_a_moment_and_the_others_nothing(
    limited: tuple[httpx.AsyncClient, FastAPI],
    silent: tuple[Redis, list[str]],
    settings: Settings,
    runtime: Runtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "QUICK_S", 0.25)
    client, app = limited
    mute, came = silent
    path = app.url_path_for("limited")
    app.state.limiter = Limiter(Runtime(settings, runtime.db, mute))
    async with asyncio.timeout(2):
        replies = [await client.get(path) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert len(came) == 1, "once silent, it is not asked again for a while"
    monkeypatch.setattr(limits, "_AWAY_S", -1.0)
    app.state.limiter = Limiter(Runtime(settings, runtime.db, mute))
    for _ in range(2):
        await client.get(path)
    assert len(came) == 3, "after that while it is"


async def test_a_silent_redis_does_not_hold_up_readiness(
    api: httpx.AsyncClient, app: FastAPI, silent: tuple[Redis, list[str]], settings: Settings, db: Database
) -> None:
    app.state.runtime = Runtime(settings, db, silent[0])
    async with asyncio.timeout(2):
        ready = await api.get("/health/ready")
    assert (ready.status_code, ready.json()["redis"]) == (200, False)
