"""History with a hole: one snapshot for each viewer, and no more unsent than they can take."""

import asyncio

from app.core.ids import wire as wire_id
from app.core.redis import Redis
from app.live import stream
from app.live.frames import ChatSaid, encode
from app.live.gateway import Gateway, wire
from tests.modules.live.conftest import Eventually, Hall
from tests.shop import Shop

LONG = encode(ChatSaid(id="x" * 64, customer="cus_x", name="W**", text="字" * 200, at="2026-11-21T00:00:00.000Z"))


async def tear(hall: Hall) -> int:
    """In one step so much is said that the stream has lost what follows the gateway's number; where it ends."""
    return (await stream.publish(hall.redis, hall.room_id, *[LONG] * (stream.MAX_LENGTH + 1_500))).seq


async def test_a_hole_in_the_stream_is_one_gap_for_each_viewer(hall: Hall, shop: Shop) -> None:
    viewers = [await hall.enter() for _ in range(5)]
    await hall.say("before")
    for viewer in viewers:
        await viewer.heard("chat.said", 1)
    customer = await shop.customer()
    await customer.get(f"/v1/live/rooms/{wire_id('rom', hall.room_id)}")  # the API holds a fresh one
    end = await tear(hall)
    await hall.say("after")
    for viewer in viewers:
        while "after" not in viewer.texts() and viewer.seq <= end:
            await viewer.next()
        assert [frame["type"] for frame in viewer.others] == ["welcome", "gap"]
        assert viewer.others[1]["seq"] >= end


async def test_displaced_viewers_get_their_gap_when_they_have_drained(
    hall: Hall, gateway: Gateway, redis: Redis, eventually: Eventually
) -> None:
    viewer = await hall.enter()
    hub = gateway._rooms.hubs[hall.room_id]
    await eventually(lambda: len(hub.hot) == 1)
    mine = next(iter(hub.hot))
    viewer.socket.transport.pause_reading()
    async with asyncio.timeout(20):
        while wire.unsent(mine.connection) <= wire.BUFFER_LIMIT_BYTES // 2:
            await hall.say("y" * 4_000)
    before = wire.unsent(mine.connection)
    await redis.flushdb()
    await eventually(lambda: not hub.hot)
    assert await hub.informed(8), "the snapshot is there"
    await asyncio.sleep(0.05)
    assert wire.unsent(mine.connection) <= before
    viewer.socket.transport.resume_reading()
    await viewer.until("gap")
