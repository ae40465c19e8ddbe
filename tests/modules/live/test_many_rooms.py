"""One gateway with more rooms than one command names."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.ids import new_id
from app.core.redis import Redis
from app.core.settings import Settings
from app.live import stream
from app.live.frames import LikesCounted, encode
from app.live.gateway.hub import Hub
from app.live.gateway.pace import Pace
from app.live.gateway.pulse import Pulse
from app.live.gateway.rooms import Rooms
from app.live.gateway.snapshots import Snapshots
from tests.modules.live.conftest import Eventually

ROOMS = 120


@pytest.fixture
async def rooms(settings: Settings, redis: Redis) -> AsyncIterator[Rooms]:
    """Rooms that nobody watches, read all the same."""
    snapshots = Snapshots(settings)
    pace = Pace()
    reading = Rooms(redis, snapshots, drop=lambda *_: None, on_end=lambda _: None)
    for _ in range(ROOMS):
        room_id = new_id()
        position = await stream.position(redis, room_id)
        reading.hubs[room_id] = Hub(room_id, position, [], pace=pace, pulse=Pulse(), on_end=lambda _: None)
    yield reading
    await reading.close()
    pace.close()
    await snapshots.close()


async def test_every_room_is_read_to_its_end(rooms: Rooms, redis: Redis, eventually: Eventually) -> None:
    events = [encode(LikesCounted(count=count)) for count in range(350)]
    for room_id in rooms.hubs:
        await stream.publish(redis, room_id, *events)
    await eventually(lambda: all(hub.sent == 350 for hub in rooms.hubs.values()))


async def test_few_rooms_are_waited_for_and_many_are_polled(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    waits: list[int | None] = []
    read = stream.read

    async def noted(*args: Any, wait_ms: int | None, **options: Any) -> Any:
        waits.append(wait_ms)
        return await read(*args, wait_ms=wait_ms, **options)

    monkeypatch.setattr(stream, "read", noted)
    await eventually(lambda: len(waits) > 6)
    assert set(waits) == {None}
    for room_id in list(rooms.hubs)[10:]:
        rooms.hubs.pop(room_id).stop()
    waits.clear()
    await eventually(lambda: len(waits) > 6)
    assert waits[-1] is not None


async def test_silent_rooms_learn_of_a_new_epoch_together(rooms: Rooms, redis: Redis, eventually: Eventually) -> None:
    before = {hub.epoch for hub in rooms.hubs.values()}
    await redis.flushdb()
    await redis.script_flush()
    await eventually(lambda: not before & {hub.epoch for hub in rooms.hubs.values()})


async def test_a_room_that_talks_is_not_asked(rooms: Rooms, redis: Redis) -> None:
    for hub in rooms.hubs.values():
        hub.read_at += 60
    await redis.flushdb()
    epochs = {hub.epoch for hub in rooms.hubs.values()}
    assert await rooms._ask_the_silent() > 0
    assert {hub.epoch for hub in rooms.hubs.values()} == epochs
