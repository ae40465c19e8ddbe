"""All rooms of one gateway process: one reader for all of them, heartbeats, and the care of slow viewers."""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from app.core.redis import Redis
from app.live import stream
from app.live.errors import LiveUnavailable
from app.live.frames import ByeCode
from app.live.gateway import joining, metrics
from app.live.gateway.hub import RING, Hub
from app.live.gateway.snapshots import Snapshots
from app.live.gateway.viewers import Viewer

log = structlog.get_logger(__name__)

_ROOMS_AT_ONCE = 50
_EVENTS_AT_ONCE = 100
_READ_PAUSE_S = 0.02
_SILENT_S = 0.5
_BEAT_EVERY_S = 1.0
_SLOW_EVERY_S = 0.1

Drop = Callable[[Viewer, ByeCode], None]


class Rooms:
    """Opens a hub with its first viewer and closes it behind its last. `drop(viewer, why)` closes one socket."""

    def __init__(self, redis: Redis, snapshots: Snapshots, *, drop: Drop, on_end: Callable[[Hub], None]) -> None:
        self.name = secrets.token_hex(4)
        self.hubs: dict[UUID, Hub] = {}
        self._redis = redis
        self._snapshots = snapshots
        self._drop = drop
        self._on_end = on_end
        self._opening: dict[UUID, asyncio.Task[Hub]] = {}
        self._left: dict[UUID, int] = {}
        self._untold: dict[UUID, tuple[int, int]] = {}
        self._beats = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        for loop in (self._read, self._ask_the_silent, self._beat, self._mind_the_slow):
            self._spawn(self._forever(loop))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop reading; tell the counts that this gateway's viewers are gone."""
        # The client may swallow a cancellation that meets the end of its own wait_for (Python 3.11): then the flag ends
        # the loop with its next round.
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for hub in list(self.hubs.values()):
            self._close(hub)
        with contextlib.suppress(RedisError, OSError):
            await self._beat()

    async def enter(self, viewer: Viewer) -> Hub:
        """The hub of the viewer's room, with him counted in. Raises LiveUnavailable when Redis or the API does not answer."""
        room_id = viewer.admitted.room_id
        while (hub := self.hubs.get(room_id)) is None:
            opening = self._opening.get(room_id)
            if opening is None:
                opening = self._opening[room_id] = asyncio.create_task(self._open(room_id))
                opening.add_done_callback(lambda _: self._opening.pop(room_id, None))
            try:
                hub = await asyncio.shield(opening)
            except (RedisError, OSError) as error:
                log.warning("room_unreachable", error=repr(error))
                raise LiveUnavailable from error
            if self.hubs.get(room_id) is hub:
                break
        hub.viewers.add(viewer)
        metrics.VIEWERS.inc()
        return hub

    async def _open(self, room_id: UUID) -> Hub:
        position = await stream.position(self._redis, room_id)
        history = await stream.newest(self._redis, room_id, until=position.seq, limit=RING)
        hub = Hub(room_id, position, history, self._on_end)
        try:
            shot = await self._snapshots.of(hub)
        except LiveUnavailable:
            hub.stop()
            raise
        self.hubs[room_id] = hub
        hub.inform(shot.truth, shot.position.seq)
        metrics.ROOMS.inc()
        return hub

    def leave(self, hub: Hub, viewer: Viewer) -> None:
        """Forget the viewer, and the room when he was its last."""
        if viewer in hub.viewers:
            metrics.VIEWERS.dec()
        hub.leave(viewer)
        if not hub.viewers and self.hubs.get(hub.room_id) is hub:
            self._close(hub)

    def _close(self, hub: Hub) -> None:
        del self.hubs[hub.room_id]
        self._left[hub.room_id] = self._left.get(hub.room_id, 0) + hub.likes
        hub.stop()
        self._snapshots.forget(hub.room_id)
        metrics.ROOMS.dec()

    def greet(self, hub: Hub, viewer: Viewer, since: joining.Since | None) -> Coroutine[Any, Any, None]:
        return joining.greet(self._redis, self._snapshots, hub, viewer, since)

    async def _forever(self, loop: Callable[[], Coroutine[Any, Any, float]]) -> None:
        """Each round says how long to pause; a fault of Redis costs half a second, never the loop."""
        while not self._closing:
            try:
                pause_s = await loop()
            except Exception as error:
                level = log.warning if isinstance(error, RedisError | OSError) else log.error
                level("gateway_loop", error=repr(error))
                pause_s = 0.5
            await asyncio.sleep(pause_s)

    async def _read(self) -> float:
        """What is new in all rooms, some rooms and so many events at a time. A new epoch is seen in the entries, or by
        asking when nothing comes any more."""
        for hubs in _groups(self.hubs.values()):
            wanted = {stream.stream_key(hub.room_id).encode(): hub for hub in hubs}
            positions = {key: hub.seq for key, hub in wanted.items()}
            for key, entries in await stream.read(self._redis, positions, limit=_EVENTS_AT_ONCE):
                hub = wanted[key]
                if self.hubs.get(hub.room_id) is hub and entries and not hub.offer(entries):
                    self._reset(hub, await stream.position(self._redis, hub.room_id))
        return _READ_PAUSE_S

    async def _ask_the_silent(self) -> float:
        """Rooms of which nothing was read for a while: nobody spoke, or their stream began anew below what is known."""
        since = time.monotonic() - _SILENT_S
        for hubs in _groups(hub for hub in self.hubs.values() if hub.read_at < since):
            held = {hub.room_id: stream.Position(hub.epoch, hub.seq) for hub in hubs}
            found = await stream.positions(self._redis, held)
            for hub in hubs:
                if self.hubs.get(hub.room_id) is hub and found[hub.room_id].epoch != hub.epoch:
                    self._reset(hub, found[hub.room_id])
        return _SILENT_S

    def _reset(self, hub: Hub, position: stream.Position) -> None:
        log.warning("history_lost", epoch=position.epoch, seq=position.seq, viewers=len(hub.hot))
        for viewer in hub.reset(position):
            self._spawn(self._bring(hub, viewer, resync=False))
        self._spawn(self._inform(hub))

    async def _inform(self, hub: Hub) -> None:
        """Ask, until there is an answer, for what the skipped part of the stream may have held."""
        while self.hubs.get(hub.room_id) is hub:
            with contextlib.suppress(LiveUnavailable):
                shot = await self._snapshots.of(hub)
                hub.inform(shot.truth, shot.position.seq)
                return

    async def _bring(self, hub: Hub, viewer: Viewer, *, resync: bool) -> None:
        act = joining.resync if resync else joining.bring
        try:
            await act(self._redis, self._snapshots, hub, viewer)
        except joining.TooSlow:
            self._drop(viewer, ByeCode.TOO_SLOW)
        except (LiveUnavailable, RedisError, OSError):
            self._drop(viewer, ByeCode.LIVE_UNAVAILABLE)

    async def _beat(self) -> float:
        """Tell Redis who watches here and what was liked, in rooms that were left too."""
        for room_id in {*self.hubs, *self._left, *self._untold}:
            await self._tell(room_id)
        return _BEAT_EVERY_S

    async def _tell(self, room_id: UUID) -> None:
        """One beat. Its likes wait under its number until Redis has answered, so they count once in any case."""
        while True:
            hub = self.hubs.get(room_id)
            if room_id not in self._untold:
                likes = self._left.pop(room_id, 0)
                if hub is not None:
                    likes, hub.likes = likes + hub.likes, 0
                self._untold[room_id] = (next(self._beats), likes)
            number, likes = self._untold[room_id]
            viewers = len(hub.viewers) if hub is not None else 0
            await stream.beat(self._redis, room_id, self.name, number=number, viewers=viewers, likes=likes)
            del self._untold[room_id]
            if room_id not in self._left:
                return

    async def _mind_the_slow(self) -> float:
        """Who has drained comes back; who has not after ten seconds is closed."""
        now = time.monotonic()
        for hub in list(self.hubs.values()):
            for viewer in list(hub.slow):
                if viewer.drained_now():
                    hub.slow.discard(viewer)
                    self._spawn(self._bring(hub, viewer, resync=True))
                elif viewer.slow_since is not None and now - viewer.slow_since > joining.SLOW_S:
                    hub.slow.discard(viewer)
                    self._drop(viewer, ByeCode.TOO_SLOW)
        return _SLOW_EVERY_S


def _groups(hubs: Iterable[Hub]) -> Iterator[list[Hub]]:
    """So many rooms as one command should carry."""
    waiting = list(hubs)
    for at in range(0, len(waiting), _ROOMS_AT_ONCE):
        yield waiting[at : at + _ROOMS_AT_ONCE]
