"""The handshake: one ticket opens one socket, and anything else is refused before the upgrade."""

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from app.core.redis import Redis
from app.live import tickets
from app.live.gateway import Gateway
from tests.modules.live.conftest import Hall


async def test_a_ticket_opens_one_socket(hall: Hall, redis: Redis) -> None:
    ticket = await hall.ticket()
    async with connect(hall.url(ticket)):
        pass
    expired = await hall.ticket()
    await redis.delete(f"live:{{ticket}}:{expired}")
    for refused in (ticket, expired, "", "unknown", "x" * 200):
        with pytest.raises(InvalidStatus) as status:
            await connect(hall.url(refused))
        assert status.value.response.status_code == 401
        problem = json.loads(status.value.response.body)
        assert problem["code"] == "ticket_refused"
        assert status.value.response.headers["Content-Type"] == "application/problem+json"


async def test_a_ticket_used_twice_at_once_opens_one_socket(hall: Hall) -> None:
    made = [await hall.ticket() for _ in range(5)]
    opened = await asyncio.gather(*(connect(hall.url(ticket)) for ticket in made * 4), return_exceptions=True)
    sockets = [socket for socket in opened if not isinstance(socket, BaseException)]
    assert len(sockets) == 5
    assert {type(refused) for refused in opened if isinstance(refused, BaseException)} == {InvalidStatus}
    await asyncio.gather(*(socket.close() for socket in sockets))


async def test_one_command_refuses_the_second_use_of_a_ticket(hall: Hall, redis: Redis) -> None:
    ticket, other = await hall.ticket(), await hall.ticket()
    passes = await tickets.redeem(redis, [ticket, "unknown", other, ticket])
    assert [admitted is not None for admitted in passes] == [True, False, True, False]


async def test_a_ticket_lives_thirty_seconds(hall: Hall, redis: Redis) -> None:
    assert 25 < await redis.ttl(f"live:{{ticket}}:{await hall.ticket()}") <= 30


async def test_a_foreign_page_is_refused_and_keeps_its_ticket(hall: Hall, gateway: Gateway) -> None:
    ticket = await hall.ticket()
    with pytest.raises(InvalidStatus) as status:
        await connect(hall.url(ticket), origin=Origin("https://evil.example"))
    assert status.value.response.status_code == 403
    async with connect(hall.url(ticket), origin=Origin(f"http://127.0.0.1:{gateway.port}")) as own_page:
        assert json.loads(await own_page.recv())["type"] == "welcome"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([("Origin", "http://[")], 403, "origin_refused"),
        ([("Origin", "https://a.example"), ("Origin", "https://b.example")], 403, "origin_refused"),
        ([("Origin", "null")], 403, "origin_refused"),
        ([("Origin", "http://x"), ("Host", "y")], 403, "origin_refused"),
        ([("Upgrade", "h2c")], 426, "upgrade_required"),
    ],
)
async def test_an_odd_handshake_gets_a_documented_refusal_and_keeps_its_ticket(
    hall: Hall, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    ticket = await hall.ticket()
    with pytest.raises(InvalidStatus) as refused:
        await connect(hall.url(ticket), additional_headers=headers)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["code"] == code
    assert refused.value.response.headers["Content-Type"] == "application/problem+json"
    async with connect(hall.url(ticket)) as opened_after_all:
        assert json.loads(await opened_after_all.recv())["type"] == "welcome"


async def test_the_first_of_two_languages_tells_why_a_ticket_is_refused(hall: Hall) -> None:
    languages = [("Accept-Language", "zh-CN"), ("Accept-Language", "en")]
    with pytest.raises(InvalidStatus) as refused:
        await connect(hall.url("unknown"), additional_headers=languages)
    problem = json.loads(refused.value.response.body)
    assert (problem["code"], problem["detail"][:2]) == ("ticket_refused", "直播")
