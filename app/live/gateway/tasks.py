"""Work that goes on beside the sockets."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Tasks:
    """Tasks of one owner. It keeps them, because the loop does not: one that nobody keeps may vanish before its end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let it run from now on."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def ended(self) -> None:
        """Wait until all have ended by themselves, those that begin meanwhile too."""
        while self._running:
            await asyncio.wait(list(self._running))

    async def cancel(self) -> None:
        """End them all now."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
