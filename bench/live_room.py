"""How much of a core one live room takes, how late its messages are, and whether any is lost.

The gateway runs as its own process, as in production; the viewers are raw sockets in another one, so that parsing does
not count; messages are published through `app.live.stream` from here. Loopback only, no TLS. The API's snapshot is
played by a few lines here: it is asked for once a second, whatever the number of viewers.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import uvloop

from app.core import redis as redis_door
from app.core import telemetry
from app.core.ids import new_id, wire
from app.core.redis import Redis
from app.core.settings import Settings
from app.development import throwaway
from app.live import stream
from app.live.frames import ChatSaid, encode, type_prefix
from app.live.gateway import opened
from app.live.tickets import Pass, issue
from bench.figures import Figure

GOAL_CPU_US = 2.5
GOAL_P99_MS = 150.0
_SAID = type_prefix(ChatSaid)


def _figure(name: str, value: float, unit: str, *, at_most: float | None = None) -> Figure:
    return Figure(
        name=name,
        value=round(value, 3),
        unit=unit,
        goal=None if at_most is None else f"<= {at_most:g}",
        holds=None if at_most is None else value <= at_most,
    )


async def measure() -> list[Figure]:
    """One room with 1,000 viewers and 200 messages a second for ten seconds."""
    with throwaway("bench", log_level="WARNING") as settings:
        return await _measure(settings, viewers=1_000, messages_per_s=200, seconds=10)


async def _measure(settings: Settings, *, viewers: int, messages_per_s: int, seconds: float) -> list[Figure]:
    """Fill one room with `viewers`, say `messages_per_s` for `seconds`, and count. `settings` must name a Redis."""
    assert 1 <= viewers <= 20_000
    assert 1 <= messages_per_s <= 5_000
    assert 0 < seconds <= 120
    redis = redis_door.connect(settings)
    room_id = new_id()
    async with _snapshots(room_id) as api_port, _process("gateway", settings, api_port) as (gateway, port):
        tickets = await _tickets(redis, room_id, viewers)
        async with _process("viewers", settings, port, tickets=tickets) as (crowd, _):
            await _talk(redis, room_id, messages_per_s, 1.0)
            warm = await _heard(redis, room_id, crowd)
            cpu_before, began = _cpu_ns(gateway.pid), time.monotonic()
            await _talk(redis, room_id, messages_per_s, seconds)
            told = await _heard(redis, room_id, crowd)
            elapsed_s = time.monotonic() - began
            cpu_ns = _cpu_ns(gateway.pid) - cpu_before
    await redis.aclose()
    deliveries = told["heard"] - warm["heard"]
    cpu_us = cpu_ns / 1_000 / deliveries
    return [
        _figure("live_gateway_cpu_per_message", cpu_us, "µs", at_most=GOAL_CPU_US),
        _figure("live_gateway_cores", cpu_ns / 1e9 / elapsed_s, "cores"),
        _figure("live_deliveries", deliveries / elapsed_s, "1/s"),
        _figure("live_latency_p50", told["p50_ms"], "ms"),
        _figure("live_latency_p99", told["p99_ms"], "ms", at_most=GOAL_P99_MS),
        _figure("live_lost_messages", told["lost"], "messages", at_most=0),
    ]


async def _heard(redis: Redis, room_id: UUID, crowd: asyncio.subprocess.Process) -> dict[str, Any]:
    """What the viewers have of everything said so far, once they have it or ten seconds have passed."""
    return await _ask(crowd, {"until": (await stream.position(redis, room_id)).seq})


async def _tickets(redis: Redis, room_id: UUID, count: int) -> list[str]:
    return [await issue(redis, Pass(room_id=room_id, customer_id=new_id(), name="L**")) for _ in range(count)]


async def _talk(redis: Redis, room_id: UUID, per_s: int, seconds: float) -> int:
    """Publish at an even pace; how many were published. Late ones are made up for, none is skipped."""
    began = time.monotonic()
    total = int(per_s * seconds)
    for number in range(total):
        wait_s = began + number / per_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        said = ChatSaid(
            id=f"c{number}",
            customer="cus_01h455vb4pex5vsknk084sn02q",
            name="L**",
            text=f"t{time.monotonic_ns():020d} Does the linen shirt come in blue?",
            at="2026-11-21T13:15:00.123Z",
        )
        await stream.publish(redis, room_id, encode(said))
    return total


def _cpu_ns(pid: int) -> int:
    """Processor time of all threads of a process, as the kernel's scheduler counts it."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


@asynccontextmanager
async def _snapshots(room_id: UUID) -> AsyncIterator[int]:
    """What the gateway asks the API for, without an API."""
    body = json.dumps({"id": wire("rom", room_id), "epoch": None, "seq": None, "status": "live"}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(head + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def _process(
    role: str, settings: Settings, port: int, *, tickets: Sequence[str] = ()
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Start a role of this file in a process of its own, and wait for its word that it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.live_room",
        role,
        str(port),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"SIYU_REDIS_URL": settings.redis_url or ""},
        limit=2**20,
    )
    try:
        told = await _ask(process, {"tickets": list(tickets)})
        yield process, told["port"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 15)
        if process.returncode is None:
            process.kill()


async def _ask(process: asyncio.subprocess.Process, question: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question).encode() + b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    answer: dict[str, Any] = json.loads(line)
    return answer


async def _questions() -> AsyncIterator[dict[str, Any]]:
    reader = asyncio.StreamReader(limit=2**22)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


def _tell(**answer: Any) -> None:
    print(json.dumps(answer), flush=True)


async def _gateway(api_port: int) -> None:
    settings = Settings(live_port=0, log_level="WARNING", live_api_url=f"http://127.0.0.1:{api_port}", _env_file=None)
    telemetry.configure(settings)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with opened(settings) as running:
        async for _ in _questions():
            _tell(port=running.port)
            break
        await stop.wait()


class _Viewer(asyncio.Protocol):
    """A socket that reads server frames as cheaply as Python can: numbers of each frame, times for a few viewers."""

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
                at = frame.find(b'"text":"t')
                while at >= 0:
                    self._latencies.append(now - int(frame[at + 9 : at + 29]))
                    at = frame.find(b'"text":"t', at + 29)
        elif frame.startswith(b'{"type":"welcome"'):
            self.seq = json.loads(frame)["streams"][0]["seq"]
            self.welcomed.set_result(None)
        else:
            # A gap or resync would hide a loss.
            self.lost += 1


def _same(viewer: _Viewer) -> _Viewer:
    return viewer


async def _viewers(port: int) -> None:
    loop = asyncio.get_running_loop()
    latencies: list[int] = []
    crowd: list[_Viewer] = []
    async for question in _questions():
        if "tickets" in question:
            for number, ticket in enumerate(question["tickets"]):
                viewer = _Viewer(ticket, latencies if number % 20 == 0 else None)
                await loop.create_connection(partial(_same, viewer), "127.0.0.1", port)
                crowd.append(viewer)
            await asyncio.wait_for(asyncio.gather(*(viewer.welcomed for viewer in crowd)), 50)
            _tell(port=port)
            continue
        deadline = time.monotonic() + 10
        while min(viewer.seq for viewer in crowd) < question["until"] and time.monotonic() < deadline:  # noqa: ASYNC110  plain counters
            await asyncio.sleep(0.02)
        ordered = sorted(latencies)
        _tell(
            heard=sum(viewer.heard for viewer in crowd),
            p50_ms=ordered[len(ordered) // 2] / 1e6,
            p99_ms=ordered[len(ordered) * 99 // 100] / 1e6,
            lost=sum(viewer.lost + max(0, question["until"] - viewer.seq) for viewer in crowd),
        )


def main() -> None:
    """The roles that the measurement starts as processes of their own."""
    role = {"gateway": _gateway, "viewers": _viewers}[sys.argv[1]]
    uvloop.run(role(int(sys.argv[2])))


if __name__ == "__main__":
    main()
