"""What viewers say, and what may not be said."""

import json
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from app.core.ids import new_id, wire
from app.live import stream
from app.live.frames import MemberMuted, encode
from tests.modules.live.conftest import Hall


async def test_messages_are_said_once_under_one_client_id(hall: Hall) -> None:
    speaker, listener = await hall.enter(), await hall.enter()
    for _ in range(3):
        await speaker.send(type="say", id="c1", text=" 你好 <b>世界</b> ")
    await speaker.send(type="say", id="c2", text="two")
    said = await listener.heard("chat.said", 2)
    assert [(event["id"], event["text"], event["name"]) for event in said] == [
        ("c1", "你好 <b>世界</b>", "L**"),
        ("c2", "two", "L**"),
    ]


@pytest.mark.parametrize(
    ("message", "ref"),
    [
        ("{", None),
        ("[]", None),
        ('{"type":"shout","id":"a","text":"x"}', "a"),
        ('{"type":"say","id":"a","text":"x","color":"red"}', "a"),
        ('{"type":"say","id":"a","text":5}', "a"),
        ('{"type":"say","id":"a","text":"  "}', "a"),
        ('{"type":"say","id":"","text":"x"}', ""),
        (json.dumps({"type": "say", "id": "a", "text": "x" * 201}), "a"),
        (json.dumps({"type": "say", "id": "a", "text": "x\u202ey"}), "a"),
        ('{"type":"like","count":21}', None),
        ('{"type":"like","count":0}', None),
        (b"\x00\x01", None),
    ],
)
async def test_what_is_not_documented_is_refused_and_the_socket_stays_open(
    hall: Hall, message: str | bytes, ref: str | None
) -> None:
    viewer = await hall.enter()
    await viewer.socket.send(message)
    error = await viewer.until("error")
    assert (error["code"], error["ref"]) == ("validation_failed", ref)
    await viewer.send(type="ping")
    await viewer.until("pong")


async def test_a_no_break_space_and_an_emoji_are_said_as_they_are(hall: Hall) -> None:
    viewer = await hall.enter()
    text = "5\u00a0kg\u3000👨‍👩‍👧"
    await viewer.send(type="say", id="a", text=text)
    await viewer.heard("chat.said", 1)
    assert viewer.texts() == [text]


@pytest.mark.parametrize(("content", "code"), [(b"x" * 5_000, 1009), (b"\xff\xfe", 1007)], ids=["long", "not UTF-8"])
async def test_a_frame_that_cannot_be_read_closes_the_socket_cleanly(hall: Hall, content: bytes, code: int) -> None:
    viewer = await hall.enter()
    viewer.socket.transport.write(Frame(Opcode.TEXT, content).serialize(mask=True))
    with pytest.raises(ConnectionClosed) as closed:
        await viewer.until("bye")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_who_talks_too_fast_is_told_when_to_go_on(hall: Hall) -> None:
    viewer = await hall.enter()
    for number in range(12):
        await viewer.send(type="say", id=f"c{number}", text=f"m{number}")
    error = await viewer.until("error")
    assert (error["code"], error["ref"]) == ("rate_limited", "c5")
    assert 0 < error["retry_after_ms"] <= 201
    await viewer.heard("chat.said", 5)
    assert viewer.texts() == ["m0", "m1", "m2", "m3", "m4"]


async def test_a_flood_of_frames_ends_the_socket(hall: Hall) -> None:
    viewer = await hall.enter()
    for _ in range(60):
        await viewer.send(type="ping")
    assert (await viewer.until("bye"))["code"] == "too_many_frames"
    assert len([frame for frame in viewer.others if frame["type"] == "pong"]) >= 40, "a burst of forty is fine"


async def test_a_mute_in_the_ticket_and_a_mute_in_the_stream_are_enforced(hall: Hall) -> None:
    customer_id = new_id()
    later = await hall.enter(customer_id=customer_id)
    born_mute = await hall.enter(muted_until=time.time() + 60)
    await born_mute.send(type="say", id="a", text="hello")
    assert (await born_mute.until("error"))["code"] == "muted"
    await later.send(type="say", id="a", text="before")
    await later.heard("chat.said", 1)
    muted = MemberMuted(customer=wire("cus", customer_id), until="2999-01-01T00:00:00.000Z")
    await stream.publish(hall.redis, hall.room_id, encode(muted))
    await later.until("member.muted")
    await later.send(type="say", id="b", text="after")
    assert (await later.until("error")) == {"type": "error", "code": "muted", "ref": "b", "retry_after_ms": None}
    lifted = MemberMuted(customer=wire("cus", customer_id), until="2000-01-01T00:00:00.000Z")
    await stream.publish(hall.redis, hall.room_id, encode(lifted))
    while len(later.of("member.muted")) < 2:
        await later.next()
    await later.send(type="say", id="c", text="again")
    await later.heard("chat.said", 2)
