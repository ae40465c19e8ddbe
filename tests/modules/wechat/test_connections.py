"""The connections under both clients, against a server that does byte by byte what a test says."""

import asyncio
import secrets
import socket
import struct
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import uvloop

from app.core.errors import UpstreamFailed
from app.core.settings import Settings
from app.wechat import MiniProgram, Reply, transport
from app.wechat.transport import NoReply, Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SILENT = b""
ENDLESS = None
TIMEOUT_S = 5


@dataclass
class Server:
    """Answers the requests in their order by `script`, whatever connection they come by; closes after a part."""

    script: list[bytes | None]
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    most_open: int = 0
    reset: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            while await self._answered(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open_now -= 1
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line[15:] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b"0")
        self.requests.append(head + await reader.readexactly(int(length)))
        answer = self.script.pop(0)
        if answer is ENDLESS:
            await reader.read()
            return False
        await asyncio.sleep(0.01)
        writer.write(answer)
        await writer.drain()
        whole = answer.endswith(b"ok")
        if not whole and self.reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        return whole


@asynccontextmanager
async def serving(*script: bytes | None, reset: bool = False) -> AsyncIterator[tuple[Server, Transport]]:
    server, wire = Server(list(script), reset=reset), Transport(TIMEOUT_S)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        host, port = listener.sockets[0].getsockname()
        server.url = f"http://{host}:{port}"
        try:
            yield server, wire
        finally:
            await wire.close()


async def ask(wire: Transport, server: Server, method: str = "POST", path: str = "/") -> Reply:
    content = b"{}" if method == "POST" else None
    return await wire.request(method, server.url + path, headers={"X-Test": "1"}, content=content)


async def refused(call: Callable[[], Awaitable[object]]) -> NoReply:
    with pytest.raises(NoReply) as caught:
        await call()
    return caught.value


async def test_a_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(OK, OK) as (server, wire):
        first, second = await ask(wire, server), await ask(wire, server, "GET", "/a%7Cb%2Fc?d=%7C")
        assert (first.status_code, first.text, second.content) == (200, "ok", b"ok")
        assert server.connections == 1
        assert server.requests[0].endswith(b"\r\n\r\n{}")
        assert server.requests[1].startswith(b"GET /a%7Cb%2Fc?d=%7C HTTP/1.1\r\n")
        sent = {line.split(b":")[0].lower() for line in server.requests[0].split(b"\r\n")[1:-2]}
        assert sent == {b"host", b"x-test", b"accept", b"content-length", b"content-type"}


async def test_an_idle_connection_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "KEEP_ALIVE_S", 0.05)
    async with serving(OK, OK) as (server, wire):
        await ask(wire, server)
        await asyncio.sleep(0.1)
        await ask(wire, server)
        assert server.connections == 2


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_CONNECTIONS", 2)
    async with serving(*[OK] * 8) as (server, wire):
        await asyncio.gather(*(ask(wire, server) for _ in range(8)))
        assert (server.most_open, len(server.requests)) == (2, 8)


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_what_a_closing_connection_swallowed_is_sent_once_more(method: str) -> None:
    async with serving(OK, SILENT, OK) as (server, wire):
        await ask(wire, server, method)
        assert (await ask(wire, server, method)).text == "ok"
        assert server.requests[1] == server.requests[2]
        assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_connection_closed_while_the_loop_was_busy_is_no_failure(
    method: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def twice(listener: socket.socket) -> str:
        wire = Transport(TIMEOUT_S)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        content = b"{}" if method == "POST" else None
        for _ in range(2):
            reply = await wire.request(method, url, headers={}, content=content)
            time.sleep(0.1)  # noqa: ASYNC251  the loop is kept from noticing
        await wire.close()
        return reply.text

    def run(listener: socket.socket) -> str:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(twice(listener))

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(OK)
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        text, _ = await asyncio.gather(asyncio.to_thread(run, listener), asyncio.to_thread(serve, listener))
    assert text == "ok"


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(
    ("script", "reset", "tries"),
    [
        ([SILENT, SILENT, OK], False, 2),
        ([b"H", OK], False, 1),
        ([b"HTTP/1.1 200 OK\r\nContent-Le", OK], False, 1),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno", OK], False, 1),
        ([b"nonsense\r\n\r\n", OK], False, 1),
        ([SILENT, OK], True, 1),
        ([b"HTTP/1.1 200 OK\r\n", OK], True, 1),
    ],
)
async def test_nothing_else_is_repeated(method: str, script: Sequence[bytes], reset: bool, tries: int) -> None:
    async with serving(OK, *script, reset=reset) as (server, wire):
        await ask(wire, server, method)
        failure = await refused(lambda: ask(wire, server, method))
        assert failure.reason == "transport"
        assert len(server.requests) == 1 + tries


async def test_the_deadline_holds_for_both_tries_together() -> None:
    async with serving(SILENT, ENDLESS) as (server, _):
        hasty = Transport(0.2)
        assert (await refused(lambda: ask(hasty, server))).reason == "timeout"
        assert len(server.requests) == 2
        await hasty.close()


async def test_a_redirect_is_an_answer() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 2\r\n\r\nok"
    async with serving(moved) as (server, wire):
        assert (await ask(wire, server)).status_code == 302


@pytest.mark.parametrize("answer", [SILENT, b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
async def test_a_failure_tells_no_secret(settings: Settings, answer: bytes) -> None:
    async with serving(answer, answer) as (server, _):
        mini = MiniProgram.open(settings.model_copy(update={"wechat_api_base": server.url}))
        code = secrets.token_hex()
        with pytest.raises(UpstreamFailed) as caught:
            await mini.session(code)
        told = "".join(traceback.format_exception(caught.value))
        assert "NoReply: transport" in told
        assert code not in told
        assert settings.wechat_app_secret.get_secret_value() not in told
        await mini.close_client()
