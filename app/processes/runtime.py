"""How a process opens what it needs and closes it again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app import modules
from app.core import redis
from app.core.db import Database
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.payments import Collectors
from app.wechat import MiniProgram, WechatPay


@asynccontextmanager
async def open_runtime(settings: Settings, *, connections: int, name: str) -> AsyncIterator[Runtime]:
    """Database, Redis and the clients of WeChat. `settings` must name both engines (see core.embedded)."""
    for kind in modules.settings():
        settings.of(kind)  # a senseless value ends the start, not the first request that needs it
    database = Database(settings, connections=connections, name=name)
    cache = redis.connect(settings)
    pay = WechatPay.open(settings)
    mini_program = MiniProgram.open(settings)
    try:
        yield Runtime(settings, database, cache, pay, mini_program, Collectors(modules.collectors()))
    finally:
        await mini_program.close_client()
        await pay.close_client()
        await cache.aclose()
        await database.close()
