"""Several processes with one pair of servers: who owns it, who attaches, who takes over."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import app.core.embedded as embedded
from app.core.embedded import EngineNotReady, engines
from app.core.embedded.claims import Claims
from app.core.embedded.processes import began
from tests.core.embedded.conftest import ENGINES, Other, ask, configured, eventually, pid_of, valkey


async def test_a_second_process_attaches_and_leaves_without_stopping_anything(
    data_dir: Path, other: Callable[..., Other]
) -> None:
    owner = other(data_dir)
    urls = owner.urls()
    with engines(configured(data_dir)) as settings:
        assert [settings.database_url, settings.redis_url] == urls
        await ask(settings, "CREATE TABLE seen AS SELECT 1 AS n")
        async with valkey(settings) as client:
            await client.set("seen", "1")
    third = other(data_dir)
    assert third.urls() == urls
    third.leave()
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT n FROM seen") == 1
        async with valkey(settings) as client:
            assert await client.get("seen") == "1"
        pids = [pid_of(engine, data_dir) for engine in ENGINES]
        owner.leave()
        assert [began(pid) for pid in pids] == [None, None]


async def test_a_second_call_in_the_same_process_attaches(data_dir: Path) -> None:
    with engines(configured(data_dir)) as outer:
        with engines(configured(data_dir)) as inner:
            assert inner == outer
        assert await ask(outer, "SELECT 1") == 1


async def test_only_the_server_that_is_not_configured_is_started(data_dir: Path, other: Callable[..., Other]) -> None:
    with engines(configured(data_dir, database_url="postgresql://elsewhere/x")) as settings:
        assert settings.database_url == "postgresql://elsewhere/x"
        async with valkey(settings) as client:
            assert await client.ping()
        assert not (data_dir / "run" / "postgres.log").exists()
        whole = other(data_dir)  # wants both: attaches to the one and owns the other
        assert whole.urls()[1] == settings.redis_url
        whole.leave()
        async with valkey(settings) as client:
            assert await client.ping()


def test_programs_that_start_together_share_one_pair_of_servers(data_dir: Path, other: Callable[..., Other]) -> None:
    together = [other(data_dir) for _ in range(4)]
    urls = [one.urls() for one in together]
    assert urls == [urls[0]] * 4
    for engine, start in (("postgres", "starting PostgreSQL"), ("valkey", "Valkey is starting")):
        assert (data_dir / "run" / f"{engine}.log").read_text().count(start) == 1
        assert json.loads((data_dir / "run" / f"{engine}.json").read_text())["owner"] in [
            one.process.pid for one in together
        ]


def test_an_owner_that_never_gets_ready_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_WITHIN_S", 0.2)
    (data_dir / "run").mkdir()
    with Claims(data_dir / "run") as claims:
        assert claims.take(ENGINES) == {"postgres": None, "valkey": None}
        with pytest.raises(EngineNotReady, match="postgres is owned by another process"), engines(configured(data_dir)):
            pass


def test_one_who_waits_takes_over_when_the_owner_goes(data_dir: Path, other: Callable[..., Other]) -> None:
    (data_dir / "run").mkdir()
    (data_dir / "run").chmod(0o711)
    with Claims(data_dir / "run") as claims:
        claims.take(ENGINES)
        gate = data_dir / "run" / "gate.lock"
        gate.unlink()
        waiting = other(data_dir)
        eventually(gate.exists)
    assert waiting.urls()
