"""Frames that no handler sees cost the gateway no more than those that one does."""

import asyncio
import time

import pytest
from websockets.frames import Frame, Opcode

from app.live.gateway import Gateway
from tests.modules.live.conftest import Eventually, Hall

PINGS = Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * 500
EMPTY_PINGS = Frame(Opcode.PING, b"").serialize(mask=True) * 5_000
PONGS = Frame(Opcode.PONG, b"").serialize(mask=True) * 5_000
FRAGMENTS = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 5_000
BEGUN = Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True)


@pytest.mark.parametrize(
    ("begin", "chunk"),
    [(b"", PINGS), (b"", EMPTY_PINGS), (b"", PONGS), (BEGUN, FRAGMENTS)],
    ids=["pings", "empty pings", "pongs", "fragments"],
)
async def test_who_floods_below_the_messages_is_cut_and_delays_nobody(
    hall: Hall, gateway: Gateway, begin: bytes, chunk: bytes
) -> None:
    healthy = await hall.enter()
    path = hall.url(await hall.ticket()).partition(str(gateway.port))[2]
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=1 << 12)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readline()
    writer.write(begin)
    began = time.process_time()
    async with asyncio.timeout(8):
        with pytest.raises(ConnectionError):
            while True:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(0)
    assert time.process_time() - began < 1
    await hall.say("still here")
    await healthy.heard("chat.said", 1)
    writer.close()


async def test_who_pings_and_reads_no_answer_is_cut(hall: Hall, gateway: Gateway, eventually: Eventually) -> None:
    viewer = await hall.enter()
    hub = gateway._rooms.hubs[hall.room_id]
    await eventually(lambda: len(hub.hot) == 1)
    viewer.socket.transport.pause_reading()
    async with asyncio.timeout(20):
        while not hub.slow:
            await hall.say("y" * 4_000)
    await viewer.socket.ping()
    await eventually(lambda: hall.room_id not in gateway._rooms.hubs)
    viewer.socket.transport.resume_reading()
