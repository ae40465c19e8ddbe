"""The simulator's movable clock, and the things that fall due on it.

Two times are kept apart on purpose. *Wire times* (signature timestamps, `success_time`, a charge's `time_expire` as it
was sent) are always the real now, so that the ±300 s rule and the caller's own deadlines hold after the clock was
moved. *Due times* (retries, expiry, the life of codes and tokens) stand on the moved clock: real time plus all
advances. A `time_expire` is therefore shifted by the advances made before the charge was opened.
"""

import asyncio
import heapq
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context

_log = logging.getLogger(__name__)

Action = Callable[[], Awaitable[None]]

_SAME_MOMENT_S = 0.001


class MovableClock:
    """Real time plus every advance so far; it never goes back. Seconds since 1970."""

    def __init__(self) -> None:
        self.offset_s = 0.0

    def now_s(self) -> float:
        return time.time() + self.offset_s

    def move_to(self, at_s: float) -> None:
        self.offset_s += max(0.0, at_s - self.now_s())


class Schedule:
    """Actions with a due time. They run by themselves as time passes, or in order while the clock is advanced."""

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._running: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._one_advance = asyncio.Lock()
        self._moving = False

    def at(self, due_s: float, action: Action) -> None:
        """Runs `action` once the moved clock shows `due_s`. Needs a running event loop."""
        heapq.heappush(self._due, (due_s, next(self._order), action))
        self._wake()

    async def advance(self, by_s: float) -> None:
        """Moves the clock by `by_s` seconds, running what falls due on the way, each at its own moment.

        Returns when everything due has been done, with all that it caused to be due; so advancing by 0 waits for the
        deliveries under way. Must not be called from an action.
        """
        async with self._one_advance:
            self._moving = True
            self._changed.set()
            try:
                await self._settle()
                target_s = self._clock.now_s() + by_s
                while self._due and self._due[0][0] <= max(target_s, self._clock.now_s()):
                    self._clock.move_to(self._due[0][0])
                    self._start_due()
                    await self._settle()
                self._clock.move_to(target_s)
            finally:
                self._moving = False
                self._wake()

    async def close(self) -> None:
        """Stops everything; what is not done stays undone."""
        self._due.clear()
        tasks = [*self._running, *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _wake(self) -> None:
        self._changed.set()
        if self._due and not self._moving and (self._runner is None or self._runner.done()):
            self._runner = _apart(self._run())

    async def _run(self) -> None:
        while self._due and not self._moving:
            wait_s = self._due[0][0] - self._clock.now_s()
            if wait_s <= 0:
                self._start_due()
                continue
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _start_due(self) -> None:
        now_s = self._clock.now_s() + _SAME_MOMENT_S
        while self._due and self._due[0][0] <= now_s:
            _, _, action = heapq.heappop(self._due)
            task = _apart(self._perform(action))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _perform(self, action: Action) -> None:
        try:
            await action()
        except Exception:
            _log.exception("a simulated event failed")

    async def _settle(self) -> None:
        while self._running:
            await asyncio.wait(set(self._running))


def _apart(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """A task without its maker's context variables: in one process, a notification must not inherit the request that
    caused it, no more than it could from another machine."""
    return asyncio.create_task(work, context=Context())
