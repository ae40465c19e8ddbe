"""Viewers on real sockets: order, resuming, gaps, the slow and the end."""

import asyncio
import json
import socket
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from app.core.ids import new_id, wire
from app.core.redis import Redis
from app.core.settings import Settings
from app.live import presence, stream
from app.live.frames import RoomEnded, encode
from app.live.gateway import Gateway, opened, server
from tests.modules.live.conftest import Eventually, Hall


def held(viewer_numbers: list[int], first: int, last: int) -> bool:
    return viewer_numbers == list(range(first, last + 1))


async def test_fifty_viewers_hear_the_same_events_in_the_same_order(hall: Hall) -> None:
    viewers = await asyncio.gather(*(hall.enter() for _ in range(50)))
    starts = {viewer.seq for viewer in viewers}
    for number in range(200):
        await hall.say(f"m{number}")
    for viewer in viewers:
        first = viewer.seq + 1
        await viewer.heard("chat.said", 200)
        assert held(viewer.numbers(), first, viewer.seq)
        assert viewer.texts() == [f"m{number}" for number in range(200)]
    assert len({json.dumps(viewer.of("chat.said")) for viewer in viewers}) == 1
    assert starts


async def test_viewers_who_join_while_the_room_talks_miss_nothing_after_their_welcome(hall: Hall) -> None:
    async def talk() -> None:
        for number in range(300):
            await hall.say(f"m{number}")

    talking = asyncio.create_task(talk())
    viewers = [await hall.enter() for _ in range(20)]
    await talking
    end = await hall.say("end")
    for viewer in viewers:
        first = viewer.seq + 1 if not viewer.events else viewer.numbers()[0]
        while viewer.seq < end:
            await viewer.next()
        assert held(viewer.numbers(), first, viewer.seq)
        snapshot = viewer.others[0]["room"]
        shown = [message["text"] for message in snapshot["messages"]]
        told = [text for text in viewer.texts() if text != "end"]
        assert not set(shown) & set(told), "told what the snapshot already shows"
        assert (shown + told)[-1] == "m299"


async def test_a_viewer_resumes_with_exactly_what_it_missed(hall: Hall) -> None:
    stays, goes = await hall.enter(), await hall.enter()
    await hall.say("before")
    await goes.heard("chat.said", 1)
    await goes.cut()
    for number in range(40):
        await hall.say(f"m{number}")
    back = await hall.enter(since=f"room:{goes.epoch}:{goes.seq}")
    assert back.others[0]["room"] is None
    assert back.seq == goes.seq
    await back.heard("chat.said", 40)
    assert back.texts() == [f"m{number}" for number in range(40)]
    assert held(back.numbers(), goes.seq + 1, back.seq)
    await hall.say("after")
    await back.heard("chat.said", 41)
    assert held(back.numbers(), goes.seq + 1, back.seq)
    await stays.heard("chat.said", 42)


async def test_what_the_ring_no_longer_holds_comes_from_the_stream(hall: Hall) -> None:
    first = await hall.enter()
    epoch, seq = first.epoch, first.seq
    for number in range(1_200):
        await hall.say(f"m{number}")
    back = await hall.enter(since=f"room:{epoch}:{seq}")
    await back.heard("chat.said", 1_200)
    assert back.texts() == [f"m{number}" for number in range(1_200)]
    assert held(back.numbers(), seq + 1, back.seq)


async def test_another_gateway_goes_on_where_the_first_one_was_lost(
    hall: Hall, settings: Settings, api_url: str, redis: Redis
) -> None:
    lost = await hall.enter()
    await hall.say("before")
    await lost.heard("chat.said", 1)
    await lost.cut()
    await hall.say("between")
    async with opened(settings.model_copy(update={"live_port": 0, "live_api_url": api_url})) as second:
        elsewhere = Hall(hall.room_id, redis, second)
        back = await elsewhere.enter(since=f"room:{lost.epoch}:{lost.seq}")
        stays = await hall.enter()
        await back.heard("chat.said", 1)
        await back.send(type="say", id="1", text="said there")
        await stays.heard("chat.said", 1)
        await back.heard("chat.said", 2)
        assert back.texts() == ["between", "said there"]
        assert held(back.numbers(), lost.seq + 1, back.seq)
        await back.close()


async def test_viewers_cut_again_and_again_hold_every_event_once(hall: Hall, eventually: Eventually) -> None:
    async def talk() -> None:
        for number in range(1_200):
            await hall.say(f"m{number}")

    async def watch() -> list[int]:
        viewer = await hall.enter()
        numbers: list[int] = []
        for _ in range(8):
            while not viewer.events:
                await viewer.next()
            if "end" in viewer.texts():
                break
            await viewer.cut()
            numbers += viewer.numbers()
            viewer = await hall.enter(since=f"room:{viewer.epoch}:{viewer.seq}")
        while "end" not in viewer.texts():
            await viewer.next()
        return numbers + viewer.numbers()

    watching = [asyncio.create_task(watch()) for _ in range(20)]
    await eventually(lambda: len(hall.viewers) >= 20)
    await talk()
    end = await hall.say("end")
    for numbers in await asyncio.gather(*watching):
        assert held(numbers, numbers[0], numbers[-1])
        assert numbers[-1] >= end


@pytest.mark.parametrize("since", ["room:000000000000:7", "nonsense", "room:{epoch}:999999"])
async def test_a_position_that_cannot_be_resumed_is_answered_with_a_gap(hall: Hall, since: str) -> None:
    first = await hall.enter()
    last = await hall.say("hello")
    await first.heard("chat.said", 1)
    back = await hall.enter(since=since.format(epoch=first.epoch))
    gap = await back.until("gap")
    assert (gap["epoch"], gap["seq"]) == (first.epoch, gap["room"]["seq"])
    assert gap["room"]["id"] == wire("rom", hall.room_id)
    while back.seq < last:
        await back.next()
    shown = [message["text"] for message in gap["room"]["messages"]]
    assert (shown + back.texts()).count("hello") == 1


async def test_an_emptied_redis_is_a_new_epoch_and_a_gap_with_a_snapshot(hall: Hall, redis: Redis) -> None:
    viewers = [await hall.enter() for _ in range(5)]
    for number in range(30):
        await hall.say(f"old{number}")
    for viewer in viewers:
        await viewer.heard("chat.said", 30)
    old = viewers[0].epoch
    await redis.flushdb()
    for number in range(5):
        await hall.say(f"new{number}")
    for viewer in viewers:
        gap = await viewer.until("gap")
        assert gap["epoch"] != old
        last = gap["seq"]
        shown = [message["text"] for message in gap["room"]["messages"]]
        begun = len(viewer.texts())
        while len(shown) + len(viewer.texts()) - begun < 5:
            await viewer.next()
        assert shown + viewer.texts()[begun:] == [f"new{number}" for number in range(5)]
        new = [seq for seq, event in viewer.events if event.get("text", "").startswith("new")]
        assert all(seq > last for seq in new)


async def test_a_viewer_that_stops_reading_delays_nobody_and_is_dropped(
    hall: Hall, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    monkeypatch.setattr("app.live.gateway.joining.SLOW_S", 1.0)
    monkeypatch.setattr("app.live.gateway.wire.CLOSE_S", 0.5)
    healthy = await hall.enter()
    stalled = socket.socket()
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.connect(("127.0.0.1", gateway.port))
    path = hall.url(await hall.ticket()).partition(str(gateway.port))[2]
    stalled.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    hub = gateway._rooms.hubs[hall.room_id]
    await eventually(lambda: len(hub.hot) == 2)
    slow = next(viewer for viewer in hub.hot if viewer.transport.get_extra_info("peername") == stalled.getsockname())
    largest, delays, sent = 0, [], 0
    async with asyncio.timeout(60):
        while slow in hub.viewers:
            began = time.monotonic()
            await asyncio.gather(*(hall.say("x" * 4_000) for _ in range(40)))
            sent += 40
            await healthy.heard("chat.said", sent)
            delays.append(time.monotonic() - began)
            largest = max(largest, slow.transport.get_write_buffer_size())
    assert largest < 200_000, "bounded memory"
    assert sorted(delays)[len(delays) // 2] < 0.5
    assert len(healthy.texts()) == sent
    stalled.close()


async def test_a_viewer_that_was_slow_and_drained_is_resynced_without_loss(
    hall: Hall, gateway: Gateway, eventually: Eventually
) -> None:
    viewer = await hall.enter()
    hub = gateway._rooms.hubs[hall.room_id]
    await eventually(lambda: len(hub.hot) == 1)
    viewer.socket.transport.pause_reading()
    sent = 0
    async with asyncio.timeout(20):
        while not hub.slow:
            await hall.say("y" * 4_000 + str(sent))
            sent += 1
    for _ in range(20):
        await hall.say("z" * 100 + str(sent))
        sent += 1
    viewer.socket.transport.resume_reading()
    await viewer.until("resync")
    await viewer.heard("chat.said", sent)
    assert held(viewer.numbers(), viewer.numbers()[0], viewer.seq)
    assert len(viewer.texts()) == sent


async def test_likes_and_viewers_are_counted_over_the_room(hall: Hall) -> None:
    one, two = await hall.enter(), await hall.enter()
    await one.send(type="like", count=20)
    await two.send(type="like", count=3)
    async with asyncio.timeout(10):
        while not one.of("likes.counted") or one.of("likes.counted")[-1]["count"] < 23:
            await one.next()
        while not one.of("viewers.counted") or one.of("viewers.counted")[-1]["count"] < 2:
            await one.next()
    counts = await presence.counts(hall.redis, hall.room_id)
    assert (counts.likes, counts.viewers, counts.peak_viewers) == (23, 2, 2)


async def test_one_phone_does_not_make_a_rooms_hearts(hall: Hall) -> None:
    viewer = await hall.enter()
    for _ in range(12):
        await viewer.send(type="like", count=20)
    await viewer.send(type="ping")
    await viewer.until("pong")
    refused = [frame for frame in viewer.others if frame["type"] == "error"]
    assert 5 <= len(refused) <= 7
    assert {(error["code"], error["ref"]) for error in refused} == {("rate_limited", None)}
    assert all(0 < error["retry_after_ms"] <= 1_001 for error in refused)
    counted = 20 * (12 - len(refused))
    async with asyncio.timeout(10):
        while not viewer.of("likes.counted") or viewer.of("likes.counted")[-1]["count"] < counted:
            await viewer.next()
    assert (await presence.counts(hall.redis, hall.room_id)).likes == counted


async def test_two_gateways_announce_a_count_once(hall: Hall, redis: Redis) -> None:
    room_id = new_id()
    for number, gateway in enumerate(("a", "b", "a", "b"), start=1):
        came = [presence.socket_name(gateway, one, f"cus_{gateway}{one}") for one in range(10)]
        beat = presence.Beat(number=number, came=came, taps={f"cus_{gateway}1": 5})
        answer = await presence.tell(redis, room_id, gateway, beat)
    assert answer == presence.Answer(20, 10, (), ())
    told = [entry.event for entry in await stream.after(redis, room_id, 0, limit=10)]
    assert told == [b'{"type":"likes.counted","count":5}', b'{"type":"viewers.counted","count":10}']
    counts = await presence.counts(redis, room_id)
    assert (counts.viewers, counts.likes) == (20, 20)


async def test_a_person_keeps_the_three_newest_sockets(hall: Hall) -> None:
    customer_id = new_id()
    sockets = [await hall.enter(customer_id=customer_id) for _ in range(4)]
    assert (await sockets[0].until("bye"))["code"] == "replaced"
    await sockets[3].send(type="ping")
    await sockets[3].until("pong")


async def test_viewers_of_an_ended_room_are_sent_away(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "END_GRACE_S", 0.05)
    viewer = await hall.enter()
    await stream.publish(hall.redis, hall.room_id, encode(RoomEnded(at="2026-11-21T00:00:00.000Z")))
    await viewer.until("room.ended")
    assert await viewer.until("bye") == {"type": "bye", "code": "room_ended", "retry_after_ms": None}
    with pytest.raises(ConnectionClosed):
        await viewer.next()


async def test_health_and_metrics_share_the_port(hall: Hall, gateway: Gateway) -> None:
    await hall.enter()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as client:
        assert (await client.get("/health/live")).json() == {"status": "ok"}
        told = (await client.get("/metrics")).text
        assert "siyu_live_viewers 1.0" in told
        assert "siyu_http" not in told, "what other processes count"
        assert "siyu_dead_letters" not in told
        assert (await client.get("/elsewhere")).status_code == 404
        not_a_socket = await client.get("/v1/live/socket")
        assert (not_a_socket.status_code, not_a_socket.headers["upgrade"]) == (426, "websocket")
