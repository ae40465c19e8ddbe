"""A gateway that is told to stop does stop, whatever its loops are in the middle of."""

import asyncio

from app.core.redis import Redis
from app.core.settings import Settings
from app.live.gateway.rooms import Rooms
from app.live.gateway.snapshots import Snapshots


async def test_a_loop_that_loses_its_cancellation_ends_all_the_same(settings: Settings, redis: Redis) -> None:
    """In Python 3.11 `asyncio.wait_for`, which the Redis client uses, can answer a cancellation with its result."""
    snapshots = Snapshots(settings)
    rooms = Rooms(redis, snapshots, drop=lambda *_: None, on_end=lambda _: None)
    waiting = asyncio.Event()

    async def deaf() -> float:
        try:
            waiting.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
        return 0.0

    rooms._spawn(rooms._forever(deaf))
    await waiting.wait()
    async with asyncio.timeout(10):
        await rooms.close()
    await snapshots.close()
