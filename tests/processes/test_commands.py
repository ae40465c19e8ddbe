"""The commands as an operator runs them: real processes in a folder of their own."""

import asyncio
import re
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.core.db import Database, asyncpg_url
from app.core.embedded.processes import began
from app.core.settings import Settings
from app.processes.dev import environment_of, isolated
from tests import sql
from tests.audit import becomes


@pytest.fixture
def system() -> Iterator[Settings]:
    """Settings of a system that nothing has been started of yet."""
    with tempfile.TemporaryDirectory(prefix="siyu-cli-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield isolated(Path(folder), {"environment": "test", "log_level": "ERROR"})


@asynccontextmanager
async def siyu(system: Settings, *words: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app.cli",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environment_of(system), **environment},
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(system: Settings, *words: str, **environment: str) -> tuple[int, str]:
    async with siyu(system, *words, **environment) as process:
        printed, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return process.returncode, printed.decode()


async def serves(address: str) -> None:
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        for _ in range(600):
            try:
                if (await client.get(address)).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise TimeoutError(address)


def children(pid: int) -> set[int]:
    below: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            below |= {int(stat.parent.name), *children(int(stat.parent.name))}
    return below


async def ended(started: dict[int, str | None]) -> None:
    """Wait until none of these processes, by pid and time of start, runs any more."""
    running = list(started)
    async with asyncio.timeout(10):
        while running := [pid for pid in running if started[pid] and began(pid) == started[pid]]:  # noqa: ASYNC110  other processes
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_dev_runs_everything_and_leaves_nothing_running(system: Settings, how: signal.Signals) -> None:
    async with siyu(system, "dev") as process:
        await serves(f"{system.public_url}/health/ready")
        await serves(f"http://127.0.0.1:{system.live_port}/health/live")
        async with httpx.AsyncClient(base_url=system.public_url, trust_env=False) as client:
            login = {"login": "hq", "password": "siyu-development"}
            assert (await client.post("/v1/admin/session", json=login)).status_code == 200
            assert (await client.get("/docs")).status_code == 200
        started = {pid: began(pid) for pid in children(process.pid)}
        assert len(started) > 5, "engines, simulator, API, worker and gateway"
        process.send_signal(how)
        # Its children share the pipe: it ends when the last of them has.
        await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == (0 if how is signal.SIGTERM else -how)
        await ended(started)
    assert (await run(system, "audit"))[0] == 0


@pytest.mark.parametrize(
    "words", [["audit"], ["migrate", "--check"], ["staff", "create", "--login", "boss", "--password", "long-enough-1"]]
)
async def test_a_database_without_tables_is_said_in_a_line(system: Settings, words: list[str]) -> None:
    code, printed = await run(system, *words)
    assert (code, "siyu migrate" in printed) == (2, True), printed
    assert "Traceback" not in printed
    assert (await run(system, *words))[0] == 2, "it has made no tables either"


@pytest.mark.parametrize("words", [["audit"], ["migrate"], ["migrate", "--check"]])
async def test_a_database_that_is_away_is_said_in_a_line(system: Settings, words: list[str]) -> None:
    code, printed = await run(system, *words, SIYU_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert (code, len(printed.splitlines())) == (1, 1), printed
    assert printed.startswith("the database could not serve this: ")


async def test_migrations_and_the_first_login(system: Settings) -> None:
    code, printed = await run(system, "migrate")
    assert (code, "schema at" in printed) == (0, True), printed
    assert (await run(system, "migrate", "--check"))[0] == 0
    words = ("staff", "create", "--login", "boss", "--password", "long-enough-1", "--name", "总部")
    assert (await run(system, *words))[0] == 0
    code, printed = await run(system, *words)
    assert code == 1
    assert "login_taken" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(("login", "password"), [("boss", "short"), ("Boss!", "long-enough-1"), ("boss", "x" * 129)])
async def test_a_login_that_the_api_would_refuse_is_not_made(system: Settings, login: str, password: str) -> None:
    code, printed = await run(system, "staff", "create", "--login", login, "--password", password)
    assert code == 2, printed
    assert password not in printed
    assert "Traceback" not in printed


WAITING = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND wait_event = 'advisory' AND now() - query_start > interval '1 second'"""


async def test_who_migrates_second_waits_for_the_first(settings: Settings, db: Database) -> None:
    hurried = settings.model_copy(update={"lock_timeout_ms": 100, "statement_timeout_ms": 200})
    first = await asyncpg.connect(asyncpg_url(db.url))
    await first.execute("SELECT pg_advisory_lock(72180391)")
    second = asyncio.create_task(run(hurried, "migrate"))
    await becomes(db, WAITING, 1)
    await first.close()
    code, printed = await second
    assert (code, "schema at" in printed) == (0, True), printed


async def test_a_database_of_the_earlier_history_is_refused_in_a_line(settings: Settings, db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE alembic_version SET version_num = '0009'")
    code, printed = await run(settings, "migrate")
    assert (code, "make a new one" in printed, "Traceback" in printed) == (1, True, False), printed
    assert (await run(settings, "audit"))[0] == 2


@pytest.mark.parametrize("command", ["dev", "seed", "simulator"])
async def test_production_takes_no_example_data(system: Settings, command: str) -> None:
    production = {
        "SIYU_ENVIRONMENT": "production",
        "SIYU_SECRET_KEY": "s" * 40,
        "SIYU_FIELD_KEY": "f" * 40,
        "SIYU_PUBLIC_URL": "https://shop.example",
        "SIYU_LIVE_URL": "wss://live.example",
        "SIYU_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "SIYU_REDIS_URL": "redis://127.0.0.1:1/0",
        "SIYU_RATE_LIMITS": "true",
        **{f"SIYU_WECHAT_{name}": "x" for name in WECHAT},
    }
    code, printed = await run(system, command, **production)
    assert code == 2, printed
    assert "production" in printed
    assert "Traceback" not in printed


WECHAT = [
    "APPID",
    "APP_SECRET",
    "MCHID",
    "MCH_SERIAL",
    "MCH_PRIVATE_KEY",
    "APIV3_KEY",
    "PAY_PUBLIC_KEY",
    "PAY_PUBLIC_KEY_ID",
]


@pytest.mark.parametrize("command", ["serve", "worker", "live", "migrate"])
async def test_an_incomplete_production_configuration_is_said_in_a_line_for_each_setting(
    system: Settings, command: str
) -> None:
    wrong = {"SIYU_PORT": "eighty", "SIYU_LOG_LEVEL": "LOUD", "SIYU_ORDERS_UNPAID_TTL_S": "59"}
    code, printed = await run(system, command, SIYU_ENVIRONMENT="production", SIYU_SECRET_KEY="none", **wrong)
    assert code == 2
    named = re.findall(r"^configuration: (SIYU_\w+) must .+$", printed, re.MULTILINE)
    assert len(named) == len(printed.splitlines()), printed
    assert {*wrong, "SIYU_SECRET_KEY", "SIYU_FIELD_KEY", "SIYU_PUBLIC_URL", "SIYU_DATABASE_URL"} <= set(named)


@pytest.mark.parametrize(("trusted", "statuses"), [("192.0.2.0/24", {401, 429}), ("127.0.0.0/8", {401})])
async def test_callers_behind_a_trusted_proxy_are_told_apart(
    system: Settings, trusted: str, statuses: set[int]
) -> None:
    proxied = system.model_copy(update={"trusted_proxies": (trusted,)})
    assert (await run(proxied, "migrate"))[0] == 0
    async with siyu(proxied, "serve"):
        await serves(f"{proxied.public_url}/health/ready")
        async with httpx.AsyncClient(base_url=proxied.public_url, trust_env=False, timeout=30) as client:
            body = {"login": "nobody", "password": "not the password"}
            replies = [
                await client.post("/v1/admin/session", json=body, headers={"X-Forwarded-For": f"198.51.100.{caller}"})
                for caller in range(1, 13)
            ]
        assert {reply.status_code for reply in replies} == statuses


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_api_says_when_it_is_ready_and_leaves_nothing_running(system: Settings, workers: int) -> None:
    several = system.model_copy(update={"api_workers": workers, "log_level": "INFO"})
    async with siyu(several, "serve") as process:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            printed = [await process.stdout.readline() for _ in range(workers)]
        assert all(b"api_ready" in line for line in printed), printed
        await serves(f"{several.public_url}/health/live")
        started = {pid: began(pid) for pid in children(process.pid)}
        process.send_signal(signal.SIGTERM)
        rest, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, rest
        assert b"Traceback" not in rest
        await ended(started)
    assert not list((system.data_dir / "run").glob("*.json")), "its engines were stopped in good order"


def in_use(port: object, setting: str) -> str:
    return f"port {port} is in use: end what listens there or set {setting}"


async def test_every_port_that_is_taken_is_said_before_anything_is_started(system: Settings) -> None:
    with socket.create_server(("127.0.0.1", system.live_port)), socket.create_server(("127.0.0.1", system.port)):
        code, printed = await run(system, "dev")
        assert (code, printed.splitlines()) == (
            1,
            [in_use(system.port, "SIYU_PORT"), in_use(system.live_port, "SIYU_LIVE_PORT")],
        )
        assert (await run(system, "live"))[1].strip() == in_use(system.live_port, "SIYU_LIVE_PORT")
    with socket.create_server(("127.0.0.1", system.simulator_port)):
        assert (await run(system, "simulator"))[1].strip() == in_use(system.simulator_port, "SIYU_SIMULATOR_PORT")
    assert list(system.data_dir.iterdir()) == [], "no engine was started"
    code, printed = await run(system, "live", SIYU_HOST="192.0.2.1")
    assert (code, "SIYU_HOST" in printed, "Traceback" in printed) == (1, True, False), printed


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_api_that_cannot_start_says_so(settings: Settings, workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        changes: dict[str, object] = {"api_workers": workers, "log_level": "INFO", "port": taken.getsockname()[1]}
        code, printed = await run(settings.model_copy(update=changes), "serve")
    assert (code, printed.strip()) == (1, in_use(changes["port"], "SIYU_PORT")), printed
    unsigned = changes | {"wechat_mch_private_key": SecretStr("none")}
    for command in ("serve", "worker"):
        code, printed = await run(settings.model_copy(update=unsigned), command)
        said = "configuration: SIYU_WECHAT_MCH_PRIVATE_KEY must be a PEM, or the path to a PEM file"
        assert (code, printed.strip()) == (2, said), printed


async def test_api_processes_that_share_a_port_count_together(system: Settings) -> None:
    several = system.model_copy(update={"api_workers": 2})
    assert (await run(several, "migrate"))[0] == 0
    async with siyu(several, "serve") as process:
        await serves(f"{several.public_url}/health/ready")
        processes, counted = set(), 0.0
        async with asyncio.timeout(60):
            while len(processes) < 2:
                # New connections, many at once, so that one process cannot take them all.
                async with httpx.AsyncClient(base_url=several.public_url, trust_env=False) as client:
                    await asyncio.gather(*(client.get("/v1/mall/products") for _ in range(40)))
                    text = (await client.get("/metrics")).text
                now = sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if PRODUCTS.match(line))
                assert now > counted, "no process forgets what another has counted"
                counted = now
                folder = next(Path(environment(pid)) for pid in children(process.pid) if environment(pid))
                processes = {path.name.rpartition("_")[2] for path in folder.glob("counter_*.db")}
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 60)
        assert not folder.exists()


PRODUCTS = re.compile(r'siyu_http_requests_total\{.*route="/v1/mall/products"')


def environment(pid: int) -> str:
    """Where that process keeps its counts."""
    for word in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if word.startswith(b"PROMETHEUS_MULTIPROC_DIR="):
            return word.partition(b"=")[2].decode()
    return ""
