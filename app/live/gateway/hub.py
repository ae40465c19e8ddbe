"""One room in one process: what was read, what was sent, and who gets the next frame."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from app.live import frames
from app.live.gateway import metrics, wire
from app.live.gateway.pace import Pace
from app.live.gateway.pulse import Pulse
from app.live.gateway.viewers import NEVER, Person, Viewer
from app.live.stream import Entry, Position

RING = 512
FRAME_EVENTS = 200
SLICE = 1_000

_ENDED = frames.type_prefix(frames.RoomEnded)
_MUTED = frames.type_prefix(frames.MemberMuted)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the database says of a room at `at`: whether it has ended, and who is muted until when, in Unix seconds."""

    ended: bool
    mutes: dict[str, float]
    at: float


class Hub:
    """Numbers: `seq` is the newest event read, `sent` the newest one sent to the hot set; `pending` lies between. `base` is
    where this process began to read, or began again: what came before is known from a snapshot alone.

    The ring contains the newest events up to `sent`. Nothing awaits between reading the ring and joining the hot set, so
    no event is lost or doubled in between.
    """

    def __init__(
        self,
        room_id: UUID,
        position: Position,
        history: Sequence[Entry],
        *,
        pace: Pace,
        pulse: Pulse,
        on_end: Callable[["Hub"], None],
    ) -> None:
        self.room_id = room_id
        self.pulse = pulse
        self._pace = pace
        self.epoch = position.epoch
        self.seq = self.sent = self.base = position.seq
        self.ring: deque[bytes] = deque(maxlen=RING)
        self.pending: list[bytes] = []
        self.viewers: set[Viewer] = set()
        self.people: dict[str, Person] = {}
        self.hot: set[Viewer] = set()
        self.slow: set[Viewer] = set()
        self.ended = False
        self._mutes: dict[str, tuple[int, float]] = {}
        self._truth_at = 0.0
        self._informed = asyncio.Event()
        self._on_end = on_end
        self._moved = asyncio.Event()
        self._wake = asyncio.Event()
        self.read_at = time.monotonic()
        self._flushed_at = 0.0
        self._remember(history)
        self._flusher = asyncio.create_task(self._flush_forever())

    def _remember(self, history: Sequence[Entry]) -> None:
        """Fill the ring with the unbroken end of the stream."""
        expected = self.sent
        for entry in reversed(history):
            if entry.seq != expected or entry.epoch != self.epoch:
                break
            self.ring.appendleft(entry.event)
            expected -= 1

    def goes_on_from(self, position: Position) -> bool:
        """Whether the room's events can follow a snapshot of that position."""
        return position.epoch == self.epoch and position.seq >= self.base

    def inform(self, truth: Truth, seq: int) -> None:
        """Take what the database said at number `seq` or later. What the stream has said since then stays."""
        later = {customer: word for customer, word in self._mutes.items() if word[0] > seq}
        self._mutes = {customer: (seq, until) for customer, until in truth.mutes.items()} | later
        self._truth_at = truth.at
        if truth.ended:
            self._end()
        self._informed.set()

    async def informed(self, within_s: float = 3.0) -> bool:
        """Wait until it is known who may speak; False when that takes too long."""
        if not self._informed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._informed.wait()
        return self._informed.is_set()

    def stop(self) -> None:
        """Send no more."""
        self._flusher.cancel()

    def tick(self) -> float:
        """Seconds between frames, as things are now."""
        return self._pace.tick(len(self.hot))

    def offer(self, entries: Sequence[Entry]) -> bool:
        """Take what was read. False when it does not follow what is known: history was lost, and the reader must reset."""
        self.read_at = time.monotonic()
        for entry in entries:
            if entry.epoch != self.epoch or entry.seq != self.seq + 1:
                return False
            self.pending.append(entry.event)
            self.seq = entry.seq
            self._notice(entry)
        self._wake.set()
        return True

    def _notice(self, entry: Entry) -> None:
        if entry.event.startswith(_MUTED):
            muted = msgspec.json.decode(entry.event, type=frames.MemberMuted)
            self._mutes[muted.customer] = (entry.seq, unix(muted.until))
        elif entry.event.startswith(_ENDED):
            self._end()

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self._on_end(self)

    def reset(self, position: Position) -> list[Viewer]:
        """The stream began again or has a hole: forget the ring. Answers who must be brought up to date one by one.

        Nobody may speak until `inform` says what the skipped part may have contained.
        """
        displaced = list(self.hot)
        for viewer in displaced:
            self._take_out(viewer, self.sent)
        self.epoch = position.epoch
        self.seq = self.sent = self.base = position.seq
        self._mutes = {customer: (0, until) for customer, (_, until) in self._mutes.items()}
        self._informed.clear()
        self.ring.clear()
        self.pending.clear()
        self._announce_move()
        return displaced

    def admit(self, viewer: Viewer) -> None:
        """One more socket, of somebody who may have others here."""
        viewer.person = self.people.setdefault(viewer.customer, viewer.person)
        viewer.person.sockets.append(viewer)
        self.viewers.add(viewer)

    def join(self, viewer: Viewer) -> None:
        """The viewer has everything up to `sent` and gets the next frame with all others."""
        viewer.holds = self.sent
        viewer.slow_since = None
        self.slow.discard(viewer)
        self.hot.add(viewer)

    def _take_out(self, viewer: Viewer, seq: int) -> None:
        viewer.epoch, viewer.seq, viewer.holds = self.epoch, seq, NEVER
        self.hot.discard(viewer)

    def leave(self, viewer: Viewer) -> None:
        viewer.holds = NEVER
        self.hot.discard(viewer)
        self.slow.discard(viewer)
        self.viewers.discard(viewer)
        own = viewer.person.sockets
        if viewer in own:
            own.remove(viewer)
        if not own and self.people.get(viewer.customer) is viewer.person:
            del self.people[viewer.customer]

    def missed(self, seq: int) -> list[bytes] | None:
        """Events from `seq + 1` to `sent`; None when the ring does not reach back so far."""
        count = self.sent - seq
        assert count >= 0
        if count > len(self.ring):
            return None
        return list(self.ring)[len(self.ring) - count :] if count else []

    def muted_until(self, viewer: Viewer) -> float:
        """In Unix seconds. The room's own knowledge counts, or else the ticket's if that is newer than what the room was
        last informed of."""
        word = self._mutes.get(viewer.customer)
        if word is not None:
            return word[1]
        return viewer.admitted.muted_until if viewer.admitted.created_at > self._truth_at else 0.0

    async def reached(self, seq: int, within_s: float = 3.0) -> bool:
        """Wait until `seq` has been sent in this epoch; False when that takes too long."""
        epoch = self.epoch
        deadline = time.monotonic() + within_s
        while self.sent < seq and self.epoch == epoch:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), left)
        return self.epoch == epoch

    def _announce_move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _flush_forever(self) -> None:
        """The first events after a silence are sent at once, later ones with the tick."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self.pending:
                wait_s = self._flushed_at + self.tick() - time.monotonic()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                self._flushed_at = time.monotonic()
                await self._flush()

    async def _flush(self) -> None:
        epoch = self.epoch
        while self.pending and self.epoch == epoch:
            batch = self.pending[:FRAME_EVENTS]
            del self.pending[:FRAME_EVENTS]
            first = self.sent + 1
            self.sent += len(batch)
            self.ring.extend(batch)
            self._announce_move()
            await self._fan_out(first, wire.text(frames.numbered(epoch, first, batch)))
            metrics.EVENTS.inc(len(batch))

    async def _fan_out(self, first: int, frame: bytes) -> None:
        """Others get their turn between the slices of a large room."""
        epoch = self.epoch
        viewers = tuple(self.hot)
        for at in range(0, len(viewers), SLICE):
            if at:
                await asyncio.sleep(0)
                if self.epoch != epoch:
                    return
            began_ns = time.thread_time_ns()
            metrics.FRAMES.inc(self._write(viewers[at : at + SLICE], first, frame))
            self._pace.sent(time.thread_time_ns() - began_ns)

    def _write(self, viewers: Sequence[Viewer], first: int, frame: bytes) -> int:
        written = 0
        for viewer in viewers:
            if viewer.holds < first and viewer.protocol.state is wire.OPEN:
                transport = viewer.transport
                if transport.get_write_buffer_size() > wire.BUFFER_LIMIT_BYTES:
                    self._take_out(viewer, first - 1)
                    viewer.slow_since = time.monotonic()
                    self.slow.add(viewer)
                    metrics.SLOW.inc()
                else:
                    transport.write(frame)
                    written += 1
        return written


def unix(at: str) -> float:
    """An RFC 3339 moment as Unix seconds."""
    return datetime.fromisoformat(at).timestamp()
