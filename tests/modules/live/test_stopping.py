"""A gateway that is told to stop does stop, whatever its loops are doing."""

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed

from app.core.redis import Redis
from app.core.settings import Settings
from app.live.gateway import Gateway
from app.live.gateway.rooms import Rooms
from app.live.gateway.snapshots import Snapshots
from tests.modules.live.conftest import Hall


async def test_a_loop_that_loses_its_cancellation_ends_all_the_same(settings: Settings, redis: Redis) -> None:
    """In Python 3.11 `asyncio.wait_for`, which the Redis client uses, can answer a cancellation with its result."""
    snapshots = Snapshots(settings)
    rooms = Rooms(redis, snapshots, drop=lambda *_: None, on_end=lambda _: None)
    waiting, test_is_over = asyncio.Event(), asyncio.Event()

    async def deaf() -> float:
        waiting.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if test_is_over.is_set():
                raise
        return 60.0 if test_is_over.is_set() else 0.0

    loop = rooms._tasks.spawn(rooms._forever(deaf))
    await waiting.wait()
    closing = asyncio.create_task(rooms.close())
    stopped, _ = await asyncio.wait({closing}, timeout=10)
    test_is_over.set()
    loop.cancel()
    await asyncio.wait({closing}, timeout=10)
    await snapshots.close()
    assert closing in stopped


async def test_a_stopping_gateway_says_when_to_come_back(hall: Hall, gateway: Gateway) -> None:
    viewers = [await hall.enter() for _ in range(5)]
    closing = asyncio.create_task(gateway.close())
    waits = [(await viewer.until("bye"))["retry_after_ms"] for viewer in viewers]
    assert all(500 <= wait <= 5_000 for wait in waits)
    assert len(set(waits)) > 1
    with pytest.raises(ConnectionClosed) as closed:
        await viewers[0].next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    await closing
