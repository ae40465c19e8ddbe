"""What one person may do in a room: the same whatever sockets they have, at whatever gateways."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from app.core.ids import new_id, wire
from app.core.redis import Redis
from app.core.settings import Settings
from app.live import presence, stream
from app.live.gateway import opened
from tests.modules.live.conftest import Eventually, Hall
from tests.modules.live.viewers import Viewer


@pytest.fixture
async def elsewhere(hall: Hall, settings: Settings, api_url: str) -> AsyncIterator[Hall]:
    """The same room at another gateway."""
    async with opened(settings.model_copy(update={"live_port": 0, "live_api_url": api_url})) as second:
        made = Hall(hall.room_id, hall.redis, second)
        yield made
        await made.leave()


async def counted(viewer: Viewer, kind: str, count: int) -> None:
    """Wait until the room was told this number."""
    async with asyncio.timeout(10):
        while not viewer.of(kind) or viewer.of(kind)[-1]["count"] != count:
            await viewer.next()


def refusals(viewers: Sequence[Viewer]) -> list[str]:
    return [frame["code"] for viewer in viewers for frame in viewer.others if frame["type"] == "error"]


async def test_a_person_speaks_with_one_budget_at_two_gateways(hall: Hall, elsewhere: Hall) -> None:
    person = new_id()
    listener = await hall.enter()
    sockets = [await place.enter(customer_id=person) for place in (hall, elsewhere, hall)]
    began = time.monotonic()
    for number in range(4):
        for at, viewer in enumerate(sockets):
            await viewer.send(type="say", id=f"{at}-{number}", text=f"{at}-{number}")
    for viewer in sockets:
        await viewer.send(type="ping")
        await viewer.until("pong")
    allowed = 5 + int((time.monotonic() - began) * 5) + 1
    refused = refusals(sockets)
    assert set(refused) == {"rate_limited"}
    assert 12 - len(refused) <= allowed < 12
    await listener.heard("chat.said", 12 - len(refused))
    assert len(listener.texts()) == 12 - len(refused)


async def test_redis_says_how_long_who_speaks_too_fast_must_wait(redis: Redis) -> None:
    room_id = new_id()
    said = [
        await stream.say(redis, room_id, b'{"type":"chat.said"}', speaker="cus_a", message_id=f"{n}") for n in range(7)
    ]
    assert [one.wait_ms > 0 for one in said] == [False] * 5 + [True] * 2
    assert all(one.wait_ms <= 200 for one in said)
    assert said[6].position == said[4].position, "a refused message has no place"
    assert (await stream.say(redis, room_id, b"{}", speaker="cus_a", message_id="0")).wait_ms == 0, (
        "a repeat costs nothing"
    )
    assert (await stream.say(redis, room_id, b"{}", speaker="cus_b", message_id="0")).wait_ms == 0, (
        "others have their own"
    )
    assert (await stream.say(redis, new_id(), b"{}", speaker="cus_a", message_id="0")).wait_ms == 0, "other rooms too"


async def test_a_person_likes_with_one_budget_at_two_gateways(hall: Hall, elsewhere: Hall) -> None:
    person = new_id()
    sockets = [await place.enter(customer_id=person) for place in (hall, elsewhere)]
    for viewer in sockets:
        for _ in range(5):
            await viewer.send(type="like", count=20)
    errors = [asyncio.create_task(viewer.until("error")) for viewer in sockets]
    done, late = await asyncio.wait(errors, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result()["code"] for task in done] == ["rate_limited"] * len(done)
    assert done, "whoever brought too many is told"
    for task in late:
        task.cancel()
    likes = (await presence.counts(hall.redis, hall.room_id)).likes
    assert 100 <= likes < 200, "a hundred at once, and twenty for each second until they were told"


async def test_taps_beyond_the_budget_do_not_count_and_the_next_second_brings_some_back(redis: Redis) -> None:
    room_id, taps = new_id(), {"cus_a": 80, "cus_b": 3}
    first = await presence.tell(redis, room_id, "one", presence.Beat(number=1, taps=taps))
    second = await presence.tell(redis, room_id, "two", presence.Beat(number=1, taps=taps))
    assert (first.over, second.over) == ((), ("cus_a",))
    likes = (await presence.counts(redis, room_id)).likes
    assert 106 <= likes <= 110
    late = presence.Beat(number=2, taps={"cus_a": 40}, age_ms=2_000)
    assert (await presence.tell(redis, room_id, "two", late)).over == (), "they were gathered over two seconds"


async def test_a_person_keeps_the_three_newest_sockets_over_two_gateways(hall: Hall, elsewhere: Hall) -> None:
    person = new_id()
    first = await hall.enter(customer_id=person)
    others = [await elsewhere.enter(customer_id=person) for _ in range(2)]
    await counted(first, "viewers.counted", 1)
    newest = await hall.enter(customer_id=person)
    assert await first.until("bye") == {"type": "bye", "code": "replaced", "retry_after_ms": None}
    for viewer in (*others, newest):
        await viewer.send(type="ping")
        await viewer.until("pong")


async def test_viewers_are_people_however_many_sockets_they_have(
    hall: Hall, elsewhere: Hall, eventually: Eventually
) -> None:
    person, watcher = new_id(), await hall.enter()
    own = [await place.enter(customer_id=person) for place in (hall, elsewhere, elsewhere)]
    await counted(watcher, "viewers.counted", 2)
    await own[0].close()
    await own[1].close()
    await eventually(
        lambda: sum(len(place.gateway._rooms._pulses[hall.room_id].open) for place in (hall, elsewhere)) == 2
    )
    await elsewhere.enter()
    await counted(watcher, "viewers.counted", 3)
    await own[2].close()
    await counted(watcher, "viewers.counted", 2)
    counts = await presence.counts(hall.redis, hall.room_id)
    assert (counts.viewers, counts.peak_viewers) == (2, 3)


async def test_a_redis_that_forgot_who_is_there_is_told_again(hall: Hall, redis: Redis) -> None:
    viewers = [await hall.enter() for _ in range(3)]
    await counted(viewers[0], "viewers.counted", 3)
    await redis.flushdb()
    async with asyncio.timeout(10):
        while (await presence.counts(redis, hall.room_id)).viewers != 3:  # noqa: ASYNC110  Redis tells nobody
            await asyncio.sleep(0.05)


async def test_a_repeated_heartbeat_replaces_no_socket_twice(redis: Redis) -> None:
    room_id, person = new_id(), wire("cus", new_id())
    names = [presence.socket_name("one", number, person) for number in range(5)]
    beat = presence.Beat(number=1, came=names)
    for _ in range(2):
        answer = await presence.tell(redis, room_id, "one", beat)
        assert (answer.viewers, answer.known, set(answer.replaced)) == (1, 5, set(names[:2]))
    gone = presence.Beat(number=2, went=names[:2])
    answer = await presence.tell(redis, room_id, "one", gone)
    assert (answer.viewers, answer.known, answer.replaced) == (1, 3, ())
    answer = await presence.tell(redis, room_id, "one", presence.Beat(number=3, went=names[2:]))
    assert (answer.viewers, answer.known) == (0, 0)
