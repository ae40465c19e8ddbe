"""Rate limits per caller: counted in Redis, and in this process's memory while Redis does not answer."""

import asyncio
import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

import structlog
from fastapi import Depends, Request
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from redis.exceptions import RedisError

from app.core.clock import utc_now
from app.core.errors import RateLimited
from app.core.http.shapes import declares
from app.core.redis import QUICK_S
from app.core.runtime import Runtime

log = structlog.get_logger(__name__)

_AWAY_S = 3.0
"""How long a Redis that did not answer is not asked again."""


class Limiter:
    """Both counters of one process."""

    def __init__(self, runtime: Runtime) -> None:
        pool: Any = runtime.redis.connection_pool
        storage = RedisStorage("async+redis://", connection_pool=pool, implementation="redispy")
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    async def hit(self, item: RateLimitItem, *names: str) -> None:
        """Count one act. Raises RateLimited when the budget is spent."""
        reset_at = await self._counted(item, names)
        if reset_at is not None:
            wait_ms = max(100, int((reset_at - utc_now().timestamp()) * 1000))
            raise RateLimited(retry_after_ms=wait_ms)

    async def _counted(self, item: RateLimitItem, names: tuple[str, ...]) -> float | None:
        """Count in Redis, or here while it does not answer; when the spent budget is there again."""
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(QUICK_S):
                    return await _hit(self._shared, item, names)
            except (RedisError, StorageError, OSError) as error:
                log.warning("rate_limit_local", error=repr(error))
                self._away_until = time.monotonic() + _AWAY_S
        return await _hit(self._local, item, names)


async def _hit(limiter: RateLimiter, item: RateLimitItem, names: tuple[str, ...]) -> float | None:
    if await limiter.hit(item, *names):
        return None
    return (await limiter.get_window_stats(item, *names)).reset_time


def limit(name: str, budget: str) -> Any:
    """A route dependency: at most `budget` (`"10/minute"`) of act `name` per actor, or per address when nobody is
    logged in. Name it after the policy."""
    item = parse(budget)

    @declares(RateLimited)
    async def check(request: Request) -> None:
        actor = getattr(request.state, "actor", None)
        await spend(request, item, name, actor.wire_id if actor is not None else f"ip:{_address(request)}")

    dependency: Callable[..., Any] = check
    return Depends(dependency)


async def spend(request: Request, item: RateLimitItem, name: str, who: str) -> None:
    """Count one act `name` by or about `who`. Raises RateLimited when the budget is spent."""
    if request.app.state.runtime.settings.rate_limits:
        await request.app.state.limiter.hit(item, name, who)


def _address(request: Request) -> str:
    """Who asks, by address; of IPv6 the /64 that one connection is given whole."""
    host = request.client.host if request.client else "-"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return str(IPv6Address(int(address) >> 64 << 64)) if isinstance(address, IPv6Address) else host
