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
from app.core.http.shapes import Dependency, declares
from app.core.redis import QUICK_S
from app.core.runtime import Runtime

log = structlog.get_logger(__name__)

_AWAY_S = 3.0
"""How long a Redis that did not answer is not asked again."""
_FREE_PART = 10
"""The first tenth of a minute's budget is counted in this process alone: nobody who orders now and then costs a trip to Redis.
With several processes a caller can have that tenth in each of them. Longer budgets are for what is guessed at, such as
passwords: there each act counts."""
_WINDOW_S = 60
_MOST_COUNTED = 100_000


class Limiter:
    """Both counters of one process."""

    def __init__(self, runtime: Runtime) -> None:
        pool: Any = runtime.redis.connection_pool
        storage = RedisStorage("async+redis://", connection_pool=pool, implementation="redispy")
        self._shared = SlidingWindowCounterRateLimiter(storage)
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0
        self._firsts = _Firsts()

    async def hit(self, item: RateLimitItem, *names: str) -> None:
        """Count one act. Raises RateLimited when the budget is spent."""
        cost = self._firsts.count(item, names)
        if cost == 0:
            return
        reset_at = await self._counted(item, names, cost)
        if reset_at is not None:
            wait_ms = max(100, int((reset_at - utc_now().timestamp()) * 1000))
            raise RateLimited(retry_after_ms=wait_ms)

    async def _counted(self, item: RateLimitItem, names: tuple[str, ...], cost: int) -> float | None:
        """Count in Redis, or here while it does not answer; when the spent budget is there again."""
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(QUICK_S):
                    return await _hit(self._shared, item, names, cost)
            except (RedisError, StorageError, OSError) as error:
                log.warning("rate_limit_local", error=repr(error))
                self._away_until = time.monotonic() + _AWAY_S
        return await _hit(self._local, item, names, cost)


class _Firsts:
    """The first acts of each caller in each window of time, as far as they are free."""

    def __init__(self) -> None:
        self._counts: dict[tuple[RateLimitItem, tuple[str, ...]], int] = {}
        self._window = 0

    def count(self, item: RateLimitItem, names: tuple[str, ...]) -> int:
        """Count one act; how many are to be counted with it where all processes count: none while they are free, and
        with the first that is not free those before it."""
        window = int(time.monotonic() / _WINDOW_S)
        if window != self._window or len(self._counts) >= _MOST_COUNTED:
            self._window = window
            self._counts.clear()
        free = item.amount // _FREE_PART if item.get_expiry() <= _WINDOW_S else 0
        if free == 0:
            return 1
        count = self._counts.get((item, names), 0) + 1
        if count > free + 1:
            return 1
        self._counts[item, names] = count
        return 0 if count <= free else count


async def _hit(limiter: RateLimiter, item: RateLimitItem, names: tuple[str, ...], cost: int) -> float | None:
    if await limiter.hit(item, *names, cost=cost):
        return None
    return (await limiter.get_window_stats(item, *names)).reset_time


def limit(name: str, budget: str) -> Any:
    """A route dependency: at most `budget` (`"10/minute"`) of act `name` per actor, or per address when nobody is
    logged in. Name it after the policy."""
    item = parse(budget)

    @spends(item, per="caller")
    async def check(request: Request) -> None:
        actor = getattr(request.state, "actor", None)
        await spend(request, item, name, actor.wire_id if actor is not None else f"ip:{_address(request)}")

    dependency: Callable[..., Any] = check
    return Depends(dependency)


def spends(item: RateLimitItem, *, per: str) -> Callable[[Dependency], Dependency]:
    """Say of a dependency what budget it counts on: every route that stands on it then publishes that."""

    def mark(dependency: Dependency) -> Dependency:
        window = f"{item.multiples} {item.GRANULARITY.name}s" if item.multiples > 1 else f"a {item.GRANULARITY.name}"
        vars(dependency)["budget"] = f"{item.amount} in {window} per {per}"
        return declares(RateLimited)(dependency)

    return mark


async def spend(request: Request, item: RateLimitItem, name: str, who: str) -> None:
    """Count one act `name` by or about `who`. Raises RateLimited when the budget is spent."""
    if request.app.state.runtime.settings.rate_limits:
        await request.app.state.limiter.hit(item, name, who)


def _address(request: Request) -> str:
    """Who asks, by address; of IPv6 the /64 that one connection is given whole, unless an IPv4 address is written so."""
    host = request.client.host if request.client else "-"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return host
