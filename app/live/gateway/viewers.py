"""One viewer: the socket, how far they are in the stream, and who is behind it."""

import asyncio
import itertools
import time
from collections.abc import Iterator

from websockets.asyncio.server import ServerConnection

from app.core.ids import wire as wire_id
from app.live import frames, stream
from app.live.frames import ErrorCode
from app.live.gateway import metrics, wire
from app.live.presence import SOCKETS_PER_PERSON, TAPS_AT_ONCE, TAPS_PER_S
from app.live.tickets import Pass

NEVER = 1 << 62
_NUMBERS = itertools.count(1)


class Bucket:
    """A token bucket: `rate` acts a second, `burst` at once."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at = time.monotonic()

    def take(self, count: int = 1) -> float:
        """Take tokens: 0 when there were enough, else the seconds until there will be."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens >= count:
            self._tokens -= count
            return 0.0
        return (count - self._tokens) / self._rate


class Person:
    """Somebody in one room, as far as this process sees: all their sockets here share what they may send. Redis limits them
    over all processes; what is refused here costs it nothing."""

    __slots__ = ("hearts", "said", "sockets")

    def __init__(self) -> None:
        self.sockets: list[Viewer] = []
        self.hearts = Bucket(TAPS_PER_S, TAPS_AT_ONCE)
        self.said = Bucket(stream.SAYS_PER_S, stream.SAYS_AT_ONCE)

    def beyond(self) -> Iterator["Viewer"]:
        """Take away the oldest sockets that the newest replace: a phone that reconnects leaves dead ones behind."""
        while len(self.sockets) > SOCKETS_PER_PERSON:
            yield self.sockets.pop(0)


class Viewer:
    """`epoch` and `seq` say how far the viewer is while outside of the hot set; inside it is as far as the hub has sent.

    `holds` is the number with which the viewer joined the hot set, and NEVER outside of it. A frame is written to those
    whose number is below its first, so a fan-out that yields in between stays exact when viewers leave or join meanwhile.
    """

    __slots__ = (
        "admitted",
        "connection",
        "customer",
        "epoch",
        "frames",
        "holds",
        "number",
        "person",
        "protocol",
        "seq",
        "slow_since",
        "transport",
    )

    def __init__(self, connection: ServerConnection, admitted: Pass) -> None:
        self.connection = connection
        self.protocol = connection.protocol
        self.transport = connection.transport
        self.admitted = admitted
        self.customer = wire_id("cus", admitted.customer_id)
        self.epoch = ""
        self.seq = 0
        self.holds = NEVER
        self.slow_since: float | None = None
        self.number = next(_NUMBERS)
        self.person = Person()
        self.frames = Bucket(rate=20, burst=40)

    @property
    def open(self) -> bool:
        return self.protocol.state is wire.OPEN

    def write(self, frame: bytes) -> None:
        """A ready frame for this viewer alone."""
        wire.write(self.connection, frame)

    def tell(self, frame: frames.ServerFrame) -> None:
        """A small frame for this viewer alone; dropped while their network is congested."""
        if wire.unsent(self.connection) <= wire.BUFFER_LIMIT_BYTES:
            self.write(wire.text(frames.encode(frame)))

    def refuse(self, code: ErrorCode, ref: str | None, *, retry_after_ms: int | None = None) -> None:
        """Say that one of their frames was refused."""
        metrics.HEARD.labels(code).inc()
        self.tell(frames.Error(code=code, ref=ref, retry_after_ms=retry_after_ms))

    def drained_now(self) -> bool:
        return wire.unsent(self.connection) <= wire.BUFFER_LIMIT_BYTES // 2

    async def drained(self, within_s: float) -> bool:
        """Wait until half the buffer is free; False when it takes longer than that."""
        deadline = time.monotonic() + within_s
        while self.open and not self.drained_now():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return self.open
