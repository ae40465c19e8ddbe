"""Redis ran a command and its answer was lost: the client sends it again, and nothing happens twice."""

import json
from collections.abc import AsyncIterator

import pytest

from app.core import redis as core_redis
from app.core.ids import new_id, wire
from app.core.redis import Redis
from app.core.settings import Settings
from app.live import presence, stream
from app.live.gateway import opened
from tests.modules.live.conftest import Eventually, Hall
from tests.modules.live.lossy import Lossy
from tests.modules.live.viewers import Viewer


@pytest.fixture
async def lossy(redis: Redis) -> Lossy:
    return Lossy(redis)


@pytest.fixture
async def shaky(hall: Hall, lossy: Lossy, settings: Settings, api_url: str) -> AsyncIterator[Hall]:
    """The same room, seen through a gateway whose Redis may lose replies."""
    direct = settings.model_copy(update={"live_port": 0, "live_api_url": api_url})
    async with lossy.opened(direct) as given, opened(given) as gateway:
        seen = Hall(hall.room_id, hall.redis, gateway)
        yield seen
        await seen.leave()


async def said(hall: Hall) -> list[str]:
    entries = await stream.after(hall.redis, hall.room_id, 0, limit=1_000)
    told = [json.loads(entry.event) for entry in entries]
    return [event["text"] for event in told if event["type"] == "chat.said"]


async def test_a_message_whose_receipt_was_lost_is_said_once(shaky: Hall, lossy: Lossy) -> None:
    speaker = await shaky.enter()
    lossy.lose("only once", 2)
    await speaker.send(type="say", id="c1", text="only once")
    await speaker.heard("chat.said", 1)
    await speaker.send(type="say", id="c2", text="end")
    await speaker.heard("chat.said", 2)
    assert speaker.texts() == await said(shaky) == ["only once", "end"]
    assert (await presence.counts(shaky.redis, shaky.room_id)).chats == 2


async def test_a_doubtful_message_may_be_sent_again_on_another_socket(shaky: Hall, lossy: Lossy) -> None:
    customer_id = new_id()
    speaker = await shaky.enter(customer_id=customer_id)
    lossy.lose("doubtful", 3)
    await speaker.send(type="say", id="c1", text="doubtful")
    assert await speaker.until("error") == {
        "type": "error",
        "code": "live_unavailable",
        "ref": "c1",
        "retry_after_ms": None,
    }
    await speaker.cut()
    back = await shaky.enter(customer_id=customer_id, since=f"room:{speaker.epoch}:{speaker.seq}")
    await back.send(type="say", id="c1", text="doubtful")
    other = await shaky.enter()
    await other.send(type="say", id="c1", text="another person's first")
    await back.send(type="say", id="c2", text="end")
    while "end" not in back.texts():
        await back.next()
    assert sorted(await said(shaky)) == ["another person's first", "doubtful", "end"]
    assert (await presence.counts(shaky.redis, shaky.room_id)).chats == 3


async def test_a_repeat_is_answered_with_the_number_of_the_first(redis: Redis) -> None:
    room_id = new_id()
    first = await stream.say(redis, room_id, b'{"type":"chat.said"}', speaker="cus_a", message_id="1")
    await stream.say(redis, room_id, b'{"type":"chat.said"}', speaker="cus_a", message_id="2")
    assert await stream.say(redis, room_id, b'{"type":"chat.said"}', speaker="cus_a", message_id="1") == first
    assert (await stream.position(redis, room_id)).seq == 2
    assert 0 < await redis.ttl(stream.stream_key(room_id).replace("stream", "said:cus_a:1")) <= stream.SAID_ONCE_S


def beat(number: int, *, came: tuple[int, ...] = (), went: tuple[int, ...] = (), taps: int) -> presence.Beat:
    """A heartbeat of a gateway whose sockets are of different people."""
    here, gone = [[presence.socket_name("gateway-one", one, f"cus_{one}") for one in some] for some in (came, went)]
    return presence.Beat(number=number, came=here, went=gone, taps={"cus_fan": taps})


async def test_likes_of_a_beat_whose_answer_was_lost_count_once(
    lossy: Lossy, redis: Redis, settings: Settings, hall: Hall
) -> None:
    async with lossy.opened(settings) as given:
        shaky_redis = core_redis.connect(given)
        await presence.tell(shaky_redis, hall.room_id, "gateway-one", beat(1, came=(1, 2, 3), taps=20))
        lossy.lose("gateway-one", 2)
        await presence.tell(shaky_redis, hall.room_id, "gateway-one", beat(2, came=(4, 5), went=(1,), taps=5))
        await shaky_redis.aclose()
    await presence.tell(redis, hall.room_id, "gateway-two", beat(1, taps=7))
    counts = await presence.counts(redis, hall.room_id)
    assert (counts.likes, counts.viewers) == (32, 4)


async def test_likes_survive_a_beat_that_failed(shaky: Hall, lossy: Lossy, eventually: Eventually) -> None:
    fan = await shaky.enter()
    rooms = shaky.gateway._rooms
    lossy.lose(rooms.name, 3)
    await fan.send(type="like", count=20)
    await eventually(lambda: lossy.spent)
    await fan.send(type="like", count=3)
    await fan.until("likes.counted")
    while fan.of("likes.counted")[-1]["count"] < 23:
        await fan.next()
    assert (await presence.counts(shaky.redis, shaky.room_id)).likes == 23


async def test_a_ticket_whose_answer_was_lost_still_opens_its_one_socket(shaky: Hall, lossy: Lossy) -> None:
    ticket = await shaky.ticket()
    lossy.lose(ticket, 2)
    viewer = await Viewer.open(shaky.url(ticket))
    assert (await viewer.next())["type"] == "welcome"
    await viewer.close()
    with pytest.raises(Exception, match="401"):
        await Viewer.open(shaky.url(ticket))


async def test_likes_of_a_room_that_empties_during_a_beat_count_once(
    shaky: Hall, lossy: Lossy, eventually: Eventually
) -> None:
    """The last viewer leaves, and another comes and goes, while Redis is being told of the likes."""
    rooms = shaky.gateway._rooms
    fan = new_id()
    first = await shaky.enter(customer_id=fan)
    lossy.hold(f":hearts:{wire('cus', fan)}")  # the beat with their taps
    await first.send(type="like", count=20)
    await eventually(lambda: lossy.holding)
    await first.close()
    await eventually(lambda: not rooms.hubs)
    second = await shaky.enter()
    await second.send(type="like", count=7)
    await second.send(type="ping")
    await second.until("pong")
    await second.close()
    await eventually(lambda: not rooms.hubs)
    lossy.let_go()
    await eventually(lambda: not rooms._pulses)
    assert (await presence.counts(shaky.redis, shaky.room_id)).likes == 27
