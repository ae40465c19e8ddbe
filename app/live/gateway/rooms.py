"""All rooms of one gateway process: one reader for all of them, heartbeats, and slow viewers."""

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
from app.live import presence, stream
from app.live.errors import LiveUnavailable
from app.live.frames import ByeCode, ErrorCode
from app.live.gateway import joining, metrics
from app.live.gateway.hub import RING, Hub
from app.live.gateway.pace import Pace
from app.live.gateway.pulse import Pulse
from app.live.gateway.snapshots import Snapshots
from app.live.gateway.tasks import Tasks
from app.live.gateway.viewers import Viewer

log = structlog.get_logger(__name__)

_ROOMS_AT_ONCE = 50
_EVENTS_AT_ONCE = 100
_WAIT_MS = 100
_POLL_EVERY_S = 0.02
_SILENT_S = 0.5
_BEAT_EVERY_S = 1.0
_SLOW_EVERY_S = 0.1

Drop = Callable[[Viewer, ByeCode], None]


class Rooms:
    """Opens a hub with its first viewer and closes it after its last. `drop(viewer, why)` closes one socket."""

    def __init__(self, redis: Redis, snapshots: Snapshots, *, drop: Drop, on_end: Callable[[Hub], None]) -> None:
        self.name = secrets.token_hex(4)
        self.hubs: dict[UUID, Hub] = {}
        self._redis = redis
        self._snapshots = snapshots
        self._drop = drop
        self._on_end = on_end
        self._pace = Pace()
        self._opening: dict[UUID, asyncio.Task[Hub]] = {}
        self._pulses: dict[UUID, Pulse] = {}
        self._beats = itertools.count(1)
        self._tasks = Tasks()
        self._closing = False
        for loop in (self._read, self._ask_the_silent, self._beat, self._mind_the_slow):
            self._tasks.spawn(self._forever(loop))

    async def close(self) -> None:
        """Stop reading, and send a last heartbeat without viewers."""
        # In Python 3.11 the client may lose a cancellation that meets the end of its own wait_for. The flag then ends the
        # loop in its next round.
        self._closing = True
        await self._tasks.cancel()
        for hub in list(self.hubs.values()):
            self._close(hub)
        with contextlib.suppress(RedisError, OSError):
            await self._beat()
        self._pace.close()

    async def enter(self, viewer: Viewer) -> Hub:
        """The hub of the viewer's room, which counts them from now on. Raises LiveUnavailable when Redis or the API does
        not answer."""
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
        hub.admit(viewer)
        hub.pulse.came(self._name(viewer), viewer)
        metrics.VIEWERS.inc()
        for oldest in viewer.person.beyond():
            self._drop(oldest, ByeCode.REPLACED)
        return hub

    def _name(self, viewer: Viewer) -> str:
        return presence.socket_name(self.name, viewer.number, viewer.customer)

    async def _open(self, room_id: UUID) -> Hub:
        position = await stream.position(self._redis, room_id)
        history = await stream.newest(self._redis, room_id, until=position.seq, limit=RING)
        pulse = self._pulses.setdefault(room_id, Pulse())
        hub = Hub(room_id, position, history, pace=self._pace, pulse=pulse, on_end=self._on_end)
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
        """Forget the viewer, and the room with its last one."""
        if viewer in hub.viewers:
            hub.pulse.went(self._name(viewer))
            metrics.VIEWERS.dec()
        hub.leave(viewer)
        if not hub.viewers and self.hubs.get(hub.room_id) is hub:
            self._close(hub)

    def _close(self, hub: Hub) -> None:
        del self.hubs[hub.room_id]
        hub.stop()
        self._snapshots.forget(hub.room_id)
        metrics.ROOMS.dec()

    def greet(self, hub: Hub, viewer: Viewer, since: joining.Since | None) -> Coroutine[Any, Any, None]:
        return joining.greet(self._redis, self._snapshots, hub, viewer, since)

    async def _forever(self, loop: Callable[[], Coroutine[Any, Any, float]]) -> None:
        """Each round answers how long to pause. An error of Redis costs half a second, never the loop."""
        while not self._closing:
            try:
                pause_s = await loop()
            except Exception as error:
                level = log.warning if isinstance(error, RedisError | OSError) else log.error
                level("gateway_loop", error=repr(error))
                pause_s = 0.5
            await asyncio.sleep(pause_s)

    async def _read(self) -> float:
        """Read what is new in all rooms, some rooms and some events at a time. A new epoch shows in the entries, or to
        `_ask_the_silent`.

        With few rooms the command itself waits for the first event, so that after a silence it is sent at once. After
        that, nothing needs to be read before one of the rooms may send again. With many they are polled.
        """
        groups = list(_groups(self.hubs.values()))
        wait_ms = _WAIT_MS if len(groups) == 1 else None
        more = False
        for hubs in groups:
            requested = {stream.stream_key(hub.room_id).encode(): hub for hub in hubs}
            positions = {key: hub.seq for key, hub in requested.items()}
            for key, entries in await stream.read(self._redis, positions, limit=_EVENTS_AT_ONCE, wait_ms=wait_ms):
                hub = requested[key]
                more |= len(entries) == _EVENTS_AT_ONCE
                if self.hubs.get(hub.room_id) is hub and entries and not hub.offer(entries):
                    self._reset(hub, await stream.position(self._redis, hub.room_id))
        if more:
            return 0
        ticks = [] if wait_ms is None else [hub.tick() for hub in self.hubs.values()]
        return min(ticks, default=_POLL_EVERY_S)

    async def _ask_the_silent(self) -> float:
        """Ask for the epoch of rooms of which nothing was read for a while: nothing happened there, or their stream began
        again with lower numbers."""
        since = time.monotonic() - _SILENT_S
        for hubs in _groups(hub for hub in self.hubs.values() if hub.read_at < since):
            known = {hub.room_id: stream.Position(hub.epoch, hub.seq) for hub in hubs}
            found = await stream.positions(self._redis, known)
            for hub in hubs:
                if self.hubs.get(hub.room_id) is hub and found[hub.room_id].epoch != hub.epoch:
                    self._reset(hub, found[hub.room_id])
        return _SILENT_S

    def _reset(self, hub: Hub, position: stream.Position) -> None:
        log.warning("history_lost", epoch=position.epoch, seq=position.seq, viewers=len(hub.hot))
        for viewer in hub.reset(position):
            self._tasks.spawn(self._bring(hub, viewer, resync=False))
        self._tasks.spawn(self._inform(hub))

    async def _inform(self, hub: Hub) -> None:
        """Learn from a snapshot what the skipped part of the stream may have contained; try until there is one."""
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
        """Send a heartbeat for each room, also for those that the last viewer has left."""
        for room_id in list(self._pulses):
            await self._tell(room_id)
        return _BEAT_EVERY_S

    async def _tell(self, room_id: UUID) -> None:
        pulse = self._pulses[room_id]
        while True:
            answer = await presence.tell(self._redis, room_id, self.name, pulse.next(next(self._beats)))
            pulse.told(answer)
            self._mind_budgets(pulse, answer)
            if room_id in self.hubs or room_id in self._opening:
                return
            if pulse.idle:
                del self._pulses[room_id]
                return

    def _mind_budgets(self, pulse: Pulse, answer: presence.Answer) -> None:
        """What one person may have at all gateways together: newer sockets replace the oldest, and hearts beyond the budget
        did not count."""
        for name in answer.replaced:
            viewer = pulse.open.get(name)
            if viewer is not None and viewer in viewer.person.sockets:
                viewer.person.sockets.remove(viewer)
                self._drop(viewer, ByeCode.REPLACED)
        if not answer.over:
            return
        over = set(answer.over)
        for viewer in list(pulse.open.values()):
            if viewer.customer in over:
                viewer.refuse(ErrorCode.RATE_LIMITED, None, retry_after_ms=1_000)

    async def _mind_the_slow(self) -> float:
        """Viewers who have received most of what was unsent come back; the others are disconnected after ten seconds."""
        now = time.monotonic()
        for hub in list(self.hubs.values()):
            for viewer in list(hub.slow):
                if viewer.drained_now():
                    hub.slow.discard(viewer)
                    self._tasks.spawn(self._bring(hub, viewer, resync=True))
                elif viewer.slow_since is not None and now - viewer.slow_since > joining.SLOW_S:
                    hub.slow.discard(viewer)
                    self._drop(viewer, ByeCode.TOO_SLOW)
        return _SLOW_EVERY_S


def _groups(hubs: Iterable[Hub]) -> Iterator[list[Hub]]:
    """As many rooms as one command should name."""
    waiting = list(hubs)
    for at in range(0, len(waiting), _ROOMS_AT_ONCE):
        yield waiting[at : at + _ROOMS_AT_ONCE]
