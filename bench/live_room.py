"""What a live room costs its gateway, how late its messages are, and whether any is lost.

The gateway runs as its own process, as in production, and its processor time is what the kernel's scheduler counts for it.
The viewers are raw sockets in other processes (`bench.live_crowd`), so that parsing does not count; those whose messages
are timed have one of their own, so that they do not wait for a thousand others to be parsed. Messages are published through
`app.live.stream` from here. Loopback only, no TLS. The API's snapshot is played by a few lines here: it is asked for once a
second, whatever the number of viewers.

Each figure is the median of its runs.
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
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uvloop

from app.core import redis as core_redis
from app.core import telemetry
from app.core.ids import new_id, wire
from app.core.redis import Redis
from app.core.settings import Settings
from app.live import stream
from app.live.frames import ChatSaid, encode
from app.live.gateway import opened
from app.processes.dev import throwaway
from app.processes.gateway import collect_rarely
from bench import live_crowd
from bench.figures import RUNS, Figure, figure
from bench.machine import cpu_ns

_UNITS = {"p99_ms": "ms", "p50_ms": "ms", "delivery_us": "µs", "join_us": "µs", "cores": "cores", "lost": "messages"}
_WARM_UP_S = 2.0
_TIMED = 40
_SAID = ChatSaid(
    id="c-17",
    customer="cus_01h455vb4pex5vsknk084sn02q",
    name="L**",
    text="Does the linen shirt come in blue?",
    at="2026-11-21T13:15:00.123Z",
)
_CARD = {"product": "prd_01h455vb4pex5vsknk084sn02q", "title": "Linen shirt", "picture": "/p.jpg", "from_fen": 12_800}


@dataclass(frozen=True, kw_only=True)
class Load:
    """One room: so many viewers, so many messages a second for a while."""

    viewers: int
    messages_per_s: int
    seconds: float

    @property
    def name(self) -> str:
        return f"live_{self.viewers}x{self.messages_per_s}"


HOT = Load(viewers=1_000, messages_per_s=200, seconds=10)
FULL = Load(viewers=5_000, messages_per_s=50, seconds=10)
SMALL = Load(viewers=100, messages_per_s=20, seconds=10)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run. Joining is what a viewer's handshake, ticket and welcome cost the gateway; a delivery is one message that
    one viewer received."""

    join_us: float
    delivery_us: float
    cores: float
    p50_ms: float
    p99_ms: float
    lost: int


async def measure() -> list[Figure]:
    """A hot room, a full one and a small one, each on engines of its own."""
    figures: list[Figure] = []
    for load in (HOT, FULL, SMALL):
        outcomes = []
        for run in range(RUNS):
            with throwaway("bench", log_level="WARNING") as settings:
                outcomes.append(await run_once(settings, load))
            _say(f"{load.name} run {run + 1} of {RUNS}, load average {os.getloadavg()[0]:.1f}: {outcomes[-1]}")
        figures += _figures(load, outcomes)
    return figures


def _figures(load: Load, outcomes: Sequence[Outcome]) -> list[Figure]:
    goals: dict[str, float | None] = {
        "p99_ms": {HOT: 40.0, SMALL: 25.0}.get(load),
        "p50_ms": None,
        "delivery_us": 2.0 if load is FULL else None,
        "join_us": 350.0 if load is HOT else None,
        "cores": None,
        "lost": 0,
    }
    return [
        figure(
            f"{load.name}_{field}", [getattr(outcome, field) for outcome in outcomes], _UNITS[field], at_most=at_most
        )
        for field, at_most in goals.items()
    ]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _spent_ns(process: asyncio.subprocess.Process) -> int:
    return sum(cpu_ns([process.pid]).values())


async def run_once(settings: Settings, load: Load) -> Outcome:
    """Fill one room, speak, and count. `settings` must name a Redis."""
    assert _TIMED < load.viewers <= 15_000
    assert 1 <= load.messages_per_s <= 5_000
    assert 0 < load.seconds <= 120
    redis = core_redis.connect(settings)
    room_id = new_id()
    async with (
        _snapshots(room_id) as api_port,
        _process("bench.live_room", settings, api_port) as (gateway, port),
        _process("bench.live_crowd", settings, port) as (timed, _),
        _process("bench.live_crowd", settings, port) as (crowd, _),
    ):
        await _ask(timed, {"room": str(room_id), "viewers": _TIMED, "timed": True})
        before, others = _spent_ns(gateway), load.viewers - _TIMED
        await _ask(crowd, {"room": str(room_id), "viewers": others, "timed": False}, within_s=120)
        join_us = (_spent_ns(gateway) - before) / 1e3 / others
        await _talk(redis, room_id, load.messages_per_s, _WARM_UP_S)
        warm = await _heard(redis, room_id, timed, crowd)
        before, began = _spent_ns(gateway), time.monotonic()
        await _talk(redis, room_id, load.messages_per_s, load.seconds)
        told = await _heard(redis, room_id, timed, crowd)
        elapsed_s = time.monotonic() - began
        spent_ns = _spent_ns(gateway) - before
    await redis.aclose()
    return Outcome(
        join_us=join_us,
        delivery_us=spent_ns / 1e3 / (told["heard"] - warm["heard"]),
        cores=spent_ns / 1e9 / elapsed_s,
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
        lost=told["lost"],
    )


async def _heard(
    redis: Redis, room_id: UUID, timed: asyncio.subprocess.Process, crowd: asyncio.subprocess.Process
) -> dict[str, Any]:
    """What the viewers have of everything said so far, once they have it or ten seconds have passed, and how late it was
    since the last time."""
    question = {"until": (await stream.position(redis, room_id)).seq}
    told, others = await asyncio.gather(_ask(timed, question), _ask(crowd, question))
    return told | {name: told[name] + others[name] for name in ("heard", "lost")}


async def _talk(redis: Redis, room_id: UUID, per_s: int, seconds: float) -> None:
    """Publish at an even pace. Late ones are made up for, none is skipped."""
    began = time.monotonic()
    for number in range(int(per_s * seconds)):
        wait_s = began + number / per_s - time.monotonic()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await stream.publish(redis, room_id, live_crowd.stamped(encode(_SAID)))


def _snapshot(room_id: UUID) -> bytes:
    """About as large as one with ten products and fifty messages is."""
    message = {"seq": 1} | {name: getattr(_SAID, name) for name in ("id", "customer", "name", "text", "at")}
    room = {
        "id": wire("rom", room_id),
        "epoch": None,
        "seq": None,
        "status": "live",
        "pinned": _CARD,
        "shelf": [_CARD] * 10,
        "messages": [message] * 50,
        "me": None,
    }
    return json.dumps(room).encode()


@asynccontextmanager
async def _snapshots(room_id: UUID) -> AsyncIterator[int]:
    """What the gateway asks the API for, without an API."""
    body = _snapshot(room_id)
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
async def _process(role: str, settings: Settings, port: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Start a role in a process of its own, and wait for its word that it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        role,
        str(port),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"SIYU_REDIS_URL": settings.redis_url or ""},
    )
    try:
        yield process, (await _ask(process, {}))["port"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 15)
        if process.returncode is None:
            process.kill()


async def _ask(process: asyncio.subprocess.Process, question: dict[str, Any], within_s: float = 60) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(question).encode() + b"\n")
    line = await asyncio.wait_for(process.stdout.readline(), within_s)
    answer: dict[str, Any] = json.loads(line)
    return answer


async def _gateway(api_port: int) -> None:
    settings = Settings(live_port=0, log_level="WARNING", live_api_url=f"http://127.0.0.1:{api_port}", _env_file=None)
    telemetry.configure(settings)
    collect_rarely()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with opened(settings) as running:
        print(json.dumps({"port": running.port}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(_gateway(int(sys.argv[1])))
