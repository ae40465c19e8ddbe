"""The worker process: the sequencer, every consumer of the event log, jobs and timers. Run as many as you like."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog

from app import modules
from app.core import telemetry
from app.core.events import (
    NUMBERED_CHANNEL,
    Consumer,
    is_anything_waiting,
    is_behind,
    register,
    run_once,
    sequence_once,
)
from app.core.faults import is_transient
from app.core.jobs import JobRunner
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.processes.runtime import open_runtime

log = structlog.get_logger(__name__)

_SEQUENCE_EVERY_S = 0.02
_SEQUENCE_IDLE_S = 0.25
_LOOK_AGAIN_S = 5.0
_DRAIN_WITHIN_S = 20


class Worker:
    """One worker's loops on an opened runtime."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = asyncio.Event()
        self._consumers = modules.consumers()
        self._numbered = {consumer.name: asyncio.Event() for consumer in self._consumers}
        self._jobs = JobRunner(runtime, modules.jobs(), modules.timers())

    def stop(self) -> None:
        """Finish what is in hand and return from `run`."""
        self._stop.set()
        self._jobs.stop()
        for event in self._numbered.values():
            event.set()

    async def run(self) -> None:
        async with self._runtime.db.transaction() as session:
            await register(session, self._consumers)
        log.info("worker_ready", consumers=len(self._consumers))
        loops: list[Awaitable[None]] = [
            self._forever("sequencer", self._sequence),
            self._forever("listener", self._listen),
            self._forever("jobs", self._jobs.run),
            *(self._forever(consumer.name, partial(self._consume, consumer)) for consumer in self._consumers),
        ]
        await asyncio.gather(*loops)

    async def run_until(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain: what is in hand is finished, nothing new is begun.

        What is not finished in time is cancelled and stays due, for another worker or the next start.
        """
        running = asyncio.create_task(self.run())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        self.stop()
        await asyncio.wait({running}, timeout=_DRAIN_WITHIN_S)
        if not running.done():
            log.warning("worker_gave_up", after_s=_DRAIN_WITHIN_S)
            running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    async def _forever(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        """Run a loop until told to stop; after a fault wait a little and begin it again."""
        while not self._stop.is_set():
            try:
                await loop()
            except Exception as error:
                level = log.warning if is_transient(error) else log.error
                level("loop_broke", loop=name, error=repr(error))
                await self._pause(self._stop, 0.5)

    async def _pause(self, until: asyncio.Event, at_most_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), at_most_s)

    async def _sequence(self) -> None:
        """Number what was published; while nothing is, look less and less often."""
        pause_s = _SEQUENCE_EVERY_S
        while not self._stop.is_set():
            if await self._number():
                pause_s = _SEQUENCE_EVERY_S
            else:
                await self._pause(self._stop, pause_s)
                pause_s = min(pause_s * 2, _SEQUENCE_IDLE_S)

    async def _number(self) -> int:
        async with self._runtime.db.alone() as session:
            if not await is_anything_waiting(session):
                return 0
        async with self._runtime.db.transaction() as session:
            return await sequence_once(session)

    async def _consume(self, consumer: Consumer) -> None:
        numbered = self._numbered[consumer.name]
        while not self._stop.is_set():
            numbered.clear()
            if not await self._is_behind(consumer) or await run_once(self._runtime, consumer) == 0:
                await self._pause(numbered, _LOOK_AGAIN_S)

    async def _is_behind(self, consumer: Consumer) -> bool:
        async with self._runtime.db.alone() as session:
            return await is_behind(session, consumer)

    async def _listen(self) -> None:
        """Wake the readers of what the sequencer has numbered: it names the types."""
        connection = await self._runtime.db.connect("siyu-listener")

        def wake(_: Any, __: int, ___: str, types: object) -> None:
            told = set(str(types).split())
            for consumer in self._consumers:
                if not told.isdisjoint(consumer.kinds):
                    self._numbered[consumer.name].set()

        try:
            await connection.add_listener(NUMBERED_CHANNEL, wake)
            while not self._stop.is_set():
                await self._pause(self._stop, _LOOK_AGAIN_S)
                await connection.execute("SELECT 1")  # one that only listens would not learn that nobody speaks
        finally:
            await connection.close(timeout=2)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Open what a worker needs and work until `stop` is set."""
    telemetry.configure(settings)
    async with open_runtime(settings, connections=settings.worker_connections, name="siyu-worker") as runtime:
        await Worker(runtime).run_until(stop)
