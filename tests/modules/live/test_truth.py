"""Who may speak and whether the room has ended is what the database says, not what a gateway happened to read."""

import asyncio
from typing import Any

import asyncpg
import pytest
from fastapi import FastAPI

from app.core import redis as core_redis
from app.core.db import asyncpg_url
from app.core.ids import parse
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.live import stream
from app.live.frames import NULL, LikesCounted, ProductPinned, encode
from app.live.gateway import Gateway, server
from app.live.gateway.hub import RING
from tests.conftest import Drain
from tests.modules.live.conftest import Hall
from tests.modules.live.viewers import Viewer
from tests.shop import Person, Shop

FOREVER, PAST = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"


async def mute(host: Person, room: dict[str, Any], customer: Person, until: str) -> None:
    body = {"customer": customer.id, "until": until}
    assert (await host.post(f"/v1/admin/live/rooms/{room['id']}/mutes", json=body)).status_code == 201


async def ticket(customer: Person, room: dict[str, Any]) -> str:
    made: str = (await customer.post(f"/v1/live/rooms/{room['id']}/tickets")).json()["ticket"]
    return made


async def enter(gateway: Gateway, given: str) -> Viewer:
    viewer = await Viewer.open(f"ws://127.0.0.1:{gateway.port}/v1/live/socket?ticket={given}")
    await viewer.next()
    return viewer


async def may_speak(viewer: Viewer) -> bool:
    await viewer.send(type="say", id="1", text="hello")
    while True:
        frame = await viewer.next()
        if frame.get("type") == "error":
            assert (frame["code"], frame["ref"]) == ("muted", "1")
            return False
        if any(event["type"] == "chat.said" for event in frame.get("events", [])):
            return True


async def bury(redis: Redis, room: dict[str, Any]) -> None:
    """So much happens that a gateway's ring no longer reaches back."""
    likes = [encode(LikesCounted(count=count)) for count in range(RING + 10)]
    await stream.publish(redis, parse("rom", room["id"]), *likes)


async def test_a_mute_of_long_ago_counts_against_a_ticket_from_before_it(
    shop: Shop, room: dict[str, Any], host: Person, gateway: Gateway, drain: Drain, redis: Redis
) -> None:
    customer = await shop.customer()
    old = await ticket(customer, room)
    await mute(host, room, customer, FOREVER)
    await drain()
    await bury(redis, room)
    viewer = await enter(gateway, old)
    assert not await may_speak(viewer)
    await viewer.close()


async def test_a_mute_lifted_long_ago_is_lifted_for_a_ticket_from_before_it(
    shop: Shop, room: dict[str, Any], host: Person, gateway: Gateway, drain: Drain, redis: Redis
) -> None:
    customer = await shop.customer()
    await ticket(customer, room)
    await mute(host, room, customer, FOREVER)
    old = await ticket(customer, room)
    await mute(host, room, customer, PAST)
    await drain()
    await bury(redis, room)
    viewer = await enter(gateway, old)
    assert await may_speak(viewer)
    await viewer.close()


async def test_a_ticket_made_while_the_news_of_a_mute_is_on_its_way_is_muted(
    shop: Shop, room: dict[str, Any], host: Person, gateway: Gateway, hall: Hall
) -> None:
    await hall.enter()
    customer = await shop.customer()
    await ticket(customer, room)
    await mute(host, room, customer, FOREVER)
    viewer = await enter(gateway, await ticket(customer, room))
    assert not await may_speak(viewer)
    await viewer.close()


@pytest.mark.parametrize("until", [FOREVER, PAST])
async def test_a_mute_in_a_part_of_the_stream_that_nobody_read_counts(
    shop: Shop, room: dict[str, Any], host: Person, gateway: Gateway, drain: Drain, redis: Redis, until: str
) -> None:
    customer = await shop.customer()
    first = await ticket(customer, room)
    await mute(host, room, customer, PAST if until == FOREVER else FOREVER)
    await drain()
    viewer = await enter(gateway, first)
    assert await may_speak(viewer) == (until == FOREVER)
    await bury(redis, room)
    # Redis comes back empty and hears of the mute before the gateway has looked: numbers far below what it has read.
    await redis.flushdb()
    await mute(host, room, customer, until)
    await drain()
    await viewer.until("gap")
    assert await may_speak(viewer) == (until != FOREVER)
    await viewer.close()


async def test_an_end_in_a_part_of_the_stream_that_nobody_read_ends_the_room(
    room: dict[str, Any], host: Person, hall: Hall, drain: Drain, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "END_GRACE_S", 0.05)
    viewer = await hall.enter()
    await bury(redis, room)
    await redis.flushdb()
    await host.post(f"/v1/admin/live/rooms/{room['id']}/end")
    await drain()
    assert (await viewer.until("bye"))["code"] == "room_ended"
    assert "room.ended" not in [event["type"] for _, event in viewer.events]


async def test_a_snapshot_that_the_api_cannot_date_is_as_old_as_the_question(
    room: dict[str, Any], hall: Hall, app: FastAPI, runtime: Runtime, settings: Settings
) -> None:
    """The API has lost Redis and the gateway has not; a pin is announced while the API reads."""
    first = await hall.enter()
    hall.gateway._rooms._snapshots.forget(hall.room_id)
    app.state.live_snapshots = None  # nobody has asked within the last second
    there = runtime.redis
    runtime.redis = core_redis.connect(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"}))
    writer = await asyncpg.connect(asyncpg_url(str(settings.database_url)))
    async with writer.transaction():
        await writer.execute("LOCK TABLE live_shelf IN ACCESS EXCLUSIVE MODE")
        entering = asyncio.create_task(hall.enter())
        async with asyncio.timeout(8):
            while not await writer.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        pinned = ProductPinned(product="prd_x", card=NULL, at="2026-11-21T00:00:00.000Z")
        await stream.publish(there, hall.room_id, encode(pinned))
        await first.until("product.pinned")
    await writer.close()
    second = await entering
    runtime.redis = there
    assert second.others[0]["room"]["pinned"] is None
    await second.until("product.pinned")
