"""The play: nine steps from an empty database to a balanced audit, with real processes, sockets and payments."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from rich.console import Console

from app import schema
from app.core.db import Database
from app.core.embedded import engines
from app.core.settings import Settings
from app.demo.brand import create_headquarters
from app.demo.receipt import Receipt
from app.demo.scenes import Play
from app.development import with_wechat
from app.stack import Stack

console = Console(stderr=True)


def run(*, viewers: int, buyers: int, tips: int, quiet: bool = False) -> Receipt:
    """Play everything in a data folder of its own and clean up; the receipt says whether it adds up."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="siyu-demo-", ignore_cleanup_errors=True) as folder:
        settings = _settings(Path(folder))
        with engines(settings) as running:
            receipt = asyncio.run(_play(with_wechat(running), max(viewers, buyers, tips), buyers, tips, quiet))
    receipt.seconds = time.monotonic() - started
    return receipt


def _settings(folder: Path) -> Settings:
    """A system of its own on free ports; nothing of the caller's configuration leaks in."""
    api, live, simulator = _free_ports(3)
    return Settings(
        _env_file=None,
        environment="development",
        data_dir=folder,
        database_url=None,
        redis_url=None,
        port=api,
        live_port=live,
        simulator_port=simulator,
        public_url=f"http://127.0.0.1:{api}",
        live_url=f"ws://127.0.0.1:{live}",
        live_api_url=f"http://127.0.0.1:{api}",
        rate_limits=False,
        log_level="WARNING",
        api_connections=20,
        wechat_mchid="",
    )


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def _environment(settings: Settings) -> dict[str, str]:
    names = [
        "data_dir",
        "database_url",
        "redis_url",
        "port",
        "live_port",
        "simulator_port",
        "public_url",
        "live_url",
        "live_api_url",
        "rate_limits",
        "log_level",
        "api_connections",
    ]
    return {f"SIYU_{name.upper()}": str(getattr(settings, name)) for name in names} | {
        "SIYU_ENVIRONMENT": "development",
        "SIYU_WECHAT_MCHID": "",
        "SIYU_API_WORKERS": "1",
    }


@asynccontextmanager
async def _stack(settings: Settings) -> AsyncIterator[None]:
    stack = Stack(settings, _environment(settings), log=settings.data_dir / "processes.log")
    try:
        await stack.start()
        yield
    except BaseException:
        console.print((settings.data_dir / "processes.log").read_text()[-4_000:], markup=False)
        raise
    finally:
        await stack.stop()


async def _play(settings: Settings, viewers: int, buyers: int, tips: int, quiet: bool) -> Receipt:
    database = Database(settings, connections=2, name="siyu-demo")
    await schema.upgrade(database)
    await create_headquarters(database)
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async with (
        _stack(settings),
        httpx.AsyncClient(base_url=settings.public_url, timeout=60, limits=limits, trust_env=False) as http,
        httpx.AsyncClient(base_url=settings.wechat_pay_base, timeout=60, trust_env=False) as simulator,
    ):
        play = Play(http, simulator, database, say=None if quiet else console.print)
        receipt = await play.perform(viewers=viewers, buyers=buyers, tips=tips)
    await database.close()
    return receipt
