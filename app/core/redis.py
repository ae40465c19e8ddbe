"""The client of Redis (or Valkey). It holds only what may vanish at any second, and never inside a transaction."""

import hashlib
from collections.abc import Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError

from app.core.network import require_no_transaction
from app.core.settings import Settings

__all__ = ["QUICK_S", "Redis", "Script", "connect"]

QUICK_S = 0.25
"""What may pass, connecting and retries included, before those who can do without Redis do without it."""


class _GuardedPipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        require_no_transaction("Redis")
        return await super().execute(raise_on_error)


class _GuardedRedis(Redis):
    async def execute_command(self, *args: Any, **options: Any) -> Any:
        require_no_transaction("Redis")
        return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _GuardedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class Script:
    """A script that Redis runs in one step. It must be harmless when it runs twice: see `connect`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: Sequence[str], *arguments: bytes | str | int) -> Any:
        """By its hash; by its text when this Redis does not know it (a new or flushed one)."""
        words: list[Any] = [*keys, *arguments]
        try:
            return await redis.evalsha(self._sha, len(keys), *words)
        except NoScriptError:
            return await redis.eval(self._text, len(keys), *words)

    async def run_all(self, redis: Redis, calls: Sequence[Sequence[Any]], keys: int) -> list[Any]:
        """Many calls, of which the first `keys` words are keys, in one round trip; each one's answer."""

        async def send() -> list[Any]:
            pipeline = redis.pipeline(transaction=False)
            for words in calls:
                pipeline.evalsha(self._sha, keys, *words)
            return await pipeline.execute()

        try:
            return await send()
        except NoScriptError:
            await redis.script_load(self._text)
            return await send()


def connect(settings: Settings) -> Redis:
    """A pooled client; values are bytes. Opens no connection before the first command.

    A command whose reply was lost is sent again, so what may not happen twice carries something to know it by.
    When all connections are busy a command waits its turn, so a thousand viewers who arrive at once are a queue and
    not a thousand errors.
    """
    assert settings.redis_url, "no Redis: wrap the settings in core.embedded.engines"
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=50,
        timeout=5,
        socket_timeout=5,
        socket_connect_timeout=3,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), retries=2),
    )
    return _GuardedRedis.from_pool(pool)
