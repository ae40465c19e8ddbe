"""Viewers of the live measurement, in a process of their own. It is asked by lines of JSON and answers by them."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast
from uuid import UUID

import uvloop

from app.core import redis as core_redis
from app.core.ids import new_id
from app.core.redis import Redis
from app.core.settings import Settings
from app.live.frames import ChatSaid, type_prefix
from app.live.tickets import Pass, issue

_AT_ONCE = 25
"""How many come in together. A ticket is valid for thirty seconds, so each is made when it is used."""
_SAID = type_prefix(ChatSaid)
_STAMP = b'"text":"t'
_DIGITS = 20


def stamped(event: bytes) -> bytes:
    """The message with the time of this moment before its text."""
    return event.replace(b'"text":"', _STAMP + b"%0*d " % (_DIGITS, time.monotonic_ns()), 1)


class _Viewer(asyncio.Protocol):
    """A socket that reads server frames as cheaply as Python can: the numbers of each, and how late they are when asked."""

    def __init__(self, ticket: str, latencies: list[int] | None) -> None:
        self._ticket = ticket
        self._latencies = latencies
        self._buffer = bytearray()
        self._upgraded = False
        self.seq = -1
        self.heard = 0
        self.lost = 0
        self.welcomed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.WriteTransport, transport).write(
            f"GET /v1/live/socket?ticket={self._ticket} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._upgraded:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            assert buffer.startswith(b"HTTP/1.1 101"), bytes(buffer[:200])
            del buffer[: end + 4]
            self._upgraded = True
        at, size = 0, len(buffer)
        while size - at >= 2:
            length, head = buffer[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(buffer[at + 2 : at + 10], "big"), 10
            if size - at < head + length:
                break
            self._take(bytes(buffer[at + head : at + head + length]))
            at += head + length
        del buffer[:at]

    def _take(self, frame: bytes) -> None:
        if frame.startswith(b'{"stream"'):
            first = int(frame[frame.index(b'"seq":') + 6 : frame.index(b',"events"')])
            count = frame.count(b'{"type":"')
            self.lost += first - self.seq - 1
            self.seq = first + count - 1
            self.heard += frame.count(_SAID)
            if self._latencies is not None:
                now = time.monotonic_ns()
                at = frame.find(_STAMP)
                while at >= 0:
                    at += len(_STAMP)
                    self._latencies.append(now - int(frame[at : at + _DIGITS]))
                    at = frame.find(_STAMP, at)
        elif frame.startswith(b'{"type":"welcome"'):
            self.seq = json.loads(frame)["streams"][0]["seq"]
            self.welcomed.set_result(None)
        else:
            # A gap or resync would hide a loss.
            self.lost += 1


def _same(viewer: _Viewer) -> _Viewer:
    return viewer


class Crowd:
    """Viewers of one room. When they are timed, how late messages came since they were last asked for."""

    def __init__(self, redis: Redis, port: int) -> None:
        self._redis = redis
        self._port = port
        self._viewers: list[_Viewer] = []
        self._latencies: list[int] = []

    async def enter(self, room_id: UUID, count: int, *, timed: bool) -> None:
        """Let so many viewers in, some at a time."""
        while len(self._viewers) < count:
            some = min(_AT_ONCE, count - len(self._viewers))
            viewers = await asyncio.gather(*(self._one(room_id, timed) for _ in range(some)))
            await asyncio.wait_for(asyncio.gather(*(viewer.welcomed for viewer in viewers)), 20)
            self._viewers += viewers

    async def _one(self, room_id: UUID, timed: bool) -> _Viewer:
        ticket = await issue(self._redis, Pass(room_id=room_id, customer_id=new_id(), name="L**"))
        viewer = _Viewer(ticket, self._latencies if timed else None)
        await asyncio.get_running_loop().create_connection(partial(_same, viewer), "127.0.0.1", self._port)
        return viewer

    async def heard(self, until: int) -> dict[str, Any]:
        """What was received, once everybody holds number `until` or ten seconds have passed."""
        deadline = time.monotonic() + 10
        while min(viewer.seq for viewer in self._viewers) < until and time.monotonic() < deadline:  # noqa: ASYNC110  plain counters
            await asyncio.sleep(0.02)
        ordered = sorted(self._latencies) or [0]
        self._latencies.clear()
        return {
            "heard": sum(viewer.heard for viewer in self._viewers),
            "p50_ms": ordered[len(ordered) // 2] / 1e6,
            "p99_ms": ordered[len(ordered) * 99 // 100] / 1e6,
            "lost": sum(viewer.lost + max(0, until - viewer.seq) for viewer in self._viewers),
        }


async def _questions() -> AsyncIterator[dict[str, Any]]:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def _main(port: int) -> None:
    crowd = Crowd(core_redis.connect(Settings(_env_file=None)), port)
    async for question in _questions():
        answer: dict[str, Any] = {"port": port}
        if "viewers" in question:
            await crowd.enter(UUID(question["room"]), question["viewers"], timed=question["timed"])
        elif "until" in question:
            answer = await crowd.heard(question["until"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
