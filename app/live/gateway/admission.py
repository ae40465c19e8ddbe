"""Who may open a socket: its page's origin and its ticket. Tickets that arrive together are redeemed together."""

import asyncio
from urllib.parse import urlsplit

from redis.exceptions import RedisError
from websockets.http11 import Request

from app.core.redis import Redis
from app.live import tickets
from app.live.errors import LiveUnavailable, OriginRefused, TicketRefused
from app.live.tickets import Pass

_AT_ONCE = 100
_LONGEST = 64


def check_origin(request: Request, allowed: tuple[str, ...]) -> None:
    """Mini-programs send no origin; a page sends one, which must be allowed or the socket's own. Raises OriginRefused."""
    origins = request.headers.get_all("Origin")
    if not origins or (len(origins) == 1 and origins[0] in allowed):
        return
    try:
        pages = [urlsplit(origin).netloc for origin in origins]
    except ValueError:
        raise OriginRefused from None
    if len(pages) > 1 or pages != request.headers.get_all("Host"):
        raise OriginRefused


class Redemption:
    """Redeems tickets one batch after the other: who comes while one is under way goes with the next. A command to Redis
    costs more than the rest of the handshake, so a crowd that arrives at once shares them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[str, asyncio.Future[Pass | None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def redeem(self, ticket: str) -> Pass:
        """Whom the ticket lets in. It is spent afterwards. Raises TicketRefused, LiveUnavailable."""
        if not 0 < len(ticket) <= _LONGEST:
            raise TicketRefused
        answer: asyncio.Future[Pass | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ticket, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        try:
            admitted = await answer
        except (RedisError, OSError) as error:
            raise LiveUnavailable from error
        if admitted is None:
            raise TicketRefused
        return admitted

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._answer(batch)
        finally:
            self._running = None

    async def _answer(self, batch: list[tuple[str, asyncio.Future[Pass | None]]]) -> None:
        # Whoever has gone away has cancelled; everybody else is answered, whatever happens.
        try:
            passes = await tickets.redeem(self._redis, [ticket for ticket, _ in batch])
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), admitted in zip(batch, passes, strict=True):
            if not answer.done():
                answer.set_result(admitted)
