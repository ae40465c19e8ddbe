"""A live gateway is killed while its room talks: its viewers go on elsewhere, and it is counted no more."""

import asyncio
from typing import Any

import httpx

from app.core.ids import new_id, parse
from app.core.redis import Redis
from app.live import presence, stream
from app.live.frames import ChatSaid, encode
from app.live.tickets import Pass, issue
from tests.faults.conftest import Start, Victim
from tests.modules.live.viewers import Viewer
from tests.shop import Person


async def serving(start: Start, api_url: str) -> Victim:
    gateway = await start("live", live_api_url=api_url)
    async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                (await client.get(f"http://{gateway.address}/health/live")).raise_for_status()
                return gateway
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def test_viewers_of_a_killed_gateway_miss_nothing_elsewhere(
    start: Start, api_url: str, room: dict[str, Any], host: Person, redis: Redis
) -> None:
    room_id = parse("rom", room["id"])
    doomed, other = await asyncio.gather(serving(start, api_url), serving(start, api_url))

    async def enter(gateway: Victim, since: str = "") -> Viewer:
        ticket = await issue(redis, Pass(room_id=room_id, customer_id=new_id(), name="L**"))
        viewer = await Viewer.open(f"ws://{gateway.address}/v1/live/socket?ticket={ticket}{since}")
        await viewer.next()
        return viewer

    async def say(text: str) -> None:
        said = ChatSaid(id=text, customer="cus_x", name="W**", text=text, at="2026-11-21T00:00:00.000Z")
        await stream.publish(redis, room_id, encode(said))

    async def counted(viewers: int) -> None:
        """Wait until report and stream agree on so many viewers."""
        async with asyncio.timeout(20):
            while True:
                report = (await host.get(f"/v1/admin/live/rooms/{room['id']}/report")).json()
                if (await presence.counts(redis, room_id)).viewers == report["viewers"] == viewers:
                    return
                await asyncio.sleep(0.05)

    viewers = [await enter(doomed) for _ in range(8)]
    stays = await enter(other)
    await counted(9)
    for number in range(50):
        await say(f"m{number}")
    for viewer in viewers:
        await viewer.heard("chat.said", 20)
    doomed.kill()
    await doomed.killed()
    for number in range(50, 100):
        await say(f"m{number}")
    for viewer in viewers:
        await viewer.socket.wait_closed()
    for viewer in viewers[:5]:
        back = await enter(other, f"&since=room:{viewer.epoch}:{viewer.seq}")
        while "m99" not in back.texts():
            await back.next()
        assert viewer.texts() + back.texts() == [f"m{number}" for number in range(100)]
        numbers = viewer.numbers() + back.numbers()
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert "gap" not in [frame["type"] for frame in back.others]
    await stays.heard("chat.said", 100)
    await counted(6)
    other.kill()
    await other.killed()
    await counted(0)
