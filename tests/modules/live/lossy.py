"""A way to the test's Redis that can lose replies: the command arrives, the connection dies before the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.redis import Redis
from app.core.settings import Settings


class Lossy:
    """`lose(word, times)`: the next commands that contain this word lose their reply."""

    def __init__(self, redis: Redis) -> None:
        self._way = redis.connection_pool.connection_kwargs
        self._word = b""
        self._times = 0
        self._held = b""
        self._go = asyncio.Event()
        self.holding = False

    @property
    def spent(self) -> bool:
        """All replies that were to be lost are."""
        return not self._times

    def lose(self, word: str, times: int) -> None:
        self._word, self._times = word.encode(), times

    def hold(self, word: str) -> None:
        """Answers to commands that contain this word are kept back until `let_go`."""
        self._held = word.encode()

    def let_go(self) -> None:
        self._held = b""
        self._go.set()

    @asynccontextmanager
    async def opened(self, settings: Settings) -> AsyncIterator[Settings]:
        """Settings that reach Redis this way."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"redis://127.0.0.1:{port}/{self._way.get('db') or 0}"
        yield settings.model_copy(update={"redis_url": url})
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if "path" in self._way:
            answers, commands = await asyncio.open_unix_connection(self._way["path"])
        else:
            answers, commands = await asyncio.open_connection(self._way["host"], self._way["port"])
        lost = held = False

        async def ask() -> None:
            nonlocal lost, held
            while data := await reader.read(65_536):
                held = bool(self._held) and self._held in data
                if self._times and self._word in data:
                    self._times -= 1
                    lost = True
                commands.write(data)
            commands.close()

        async def answer() -> None:
            while (data := await answers.read(65_536)) and not lost:
                if held:
                    self.holding = True
                    await self._go.wait()
                writer.write(data)
            writer.transport.abort()

        await asyncio.gather(ask(), answer(), return_exceptions=True)
