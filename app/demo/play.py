"""The play: nine steps from an empty database to a balanced audit, with real processes, sockets and payments."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from rich.console import Console

from app.core.db import Database
from app.core.settings import Settings
from app.demo.brand import create_headquarters
from app.demo.receipt import Receipt
from app.demo.scenes import Play
from app.migrations import schema
from app.processes.dev import environment_of, throwaway
from app.processes.stack import Stack

console = Console(stderr=True)


def run(*, viewers: int, buyers: int, tips: int, quiet: bool = False) -> Receipt:
    """Play everything in a data folder of its own and clean up; the receipt says whether it adds up."""
    started = time.monotonic()
    with throwaway("demo", rate_limits=False, log_level="WARNING", api_connections=20) as settings:
        receipt = asyncio.run(_play(settings, max(viewers, buyers, tips), buyers, tips, quiet))
    receipt.seconds = time.monotonic() - started
    return receipt


@asynccontextmanager
async def _stack(settings: Settings) -> AsyncIterator[None]:
    stack = Stack(settings, environment_of(settings), log=settings.data_dir / "processes.log")
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
