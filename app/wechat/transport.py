"""HTTP to WeChat: bounded connections, one deadline for a whole call, and errors that quote no address."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from app.core.errors import Unclear
from app.core.network import require_no_transaction
from app.wechat.signatures import SERIAL_HEADER, TIMESTAMP_HEADER, is_fresh

MAX_CONNECTIONS = 100
KEEP_ALIVE_S = 4.0
"""Less than a server's (uvicorn's is 5 s), so that it is mostly we who close a connection that has become idle."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; `headers` is found in by names of any case. The names are those that the SDK reads."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


class NoReply(Exception):
    """No answer that can be believed; `reason` says why, and nothing here quotes an address, which may hold secrets."""

    def __init__(self, reason: Unclear, kind: str = "") -> None:
        super().__init__(f"{reason} {kind}".rstrip())
        self.reason = reason


Send = Callable[[str, str, Mapping[str, str], bytes | None], Awaitable[Reply]]
"""Sends method, address, headers and body, and returns the whole answer. Raises OSError when there is none."""


class Transport:
    """The connections of one client, made as they are needed; end it with `close`. `send` replaces the sockets.

    Proxies of the environment are not used, redirects not followed, cookies not kept.
    """

    def __init__(self, timeout_s: float, send: Send | None = None) -> None:
        self._timeout_s = timeout_s
        self._send = send or self._send_by_socket
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> Reply:
        """The answer to a request whose address is sent exactly as given.

        Raises NoReply, and NetworkInsideTransaction when the caller holds a database transaction.
        """
        require_no_transaction("WeChat")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._send(method, url, headers, content)
        except TimeoutError:
            raise NoReply(Unclear.TIMEOUT) from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoReply(Unclear.TRANSPORT, type(error).__name__) from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def _send_by_socket(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        # A session belongs to the event loop that it was made in, so it is made at the first use.
        session = self._session = self._session or _new_session()
        exact = URL(url, encoded=True)
        async with session.request(method, exact, data=content, headers=headers, allow_redirects=False) as response:
            return Reply(response.status, response.headers, await response.read())


def _new_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "User-Agent"),
        middlewares=(_repeated_once,),
    )


async def _repeated_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Sends once more when the connection was closed before any byte of the answer, as an idle one may be just when it
    is used again; never after anything else.

    aiohttp would itself repeat a GET after any broken connection; it does not see a NoReply as one.
    """
    for again in (True, False):
        try:
            return await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            if not (again and _closed_in_silence(error)):
                raise NoReply(Unclear.TRANSPORT, type(error).__name__) from None
    raise AssertionError("unreachable")


def _closed_in_silence(error: Exception) -> bool:
    """Whether the server closed the connection in good order, and had sent nothing. A reset counts as neither."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        # Where a part of the answer had come, the message is that part.
        return isinstance(error.message, str)
    # On uvloop it is often noticed before anything is written.
    return any(isinstance(one, aiohttp.ClientConnectionResetError) for one in (error, error.__cause__))


class SdkClient:
    """What the WeChat Pay SDK calls of an HTTP client, with two of its faults cured where the bytes pass.

    * The SDK signs nothing for a POST without a body but sends `null`, which WeChat answers with SIGN_ERROR:
      here the body is emptied.
    * A success whose serial is not `public_key_id` is refused before the SDK sees it, because the SDK would answer an
      unknown serial by downloading certificates without checking them; so is one older than five minutes, which the
      SDK never checks.

    Raises what `Transport.request` raises; NoReply also for a success that is not to be believed.
    """

    def __init__(self, transport: Transport, *, public_key_id: str) -> None:
        self._transport = transport
        self._public_key_id = public_key_id

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        return self._believed(await self._transport.request("GET", url, headers=headers))

    async def post(self, url: str, content: str, headers: Mapping[str, str]) -> Reply:
        body = b"" if content == "null" else content.encode()
        return self._believed(await self._transport.request("POST", url, headers=headers, content=body))

    def _believed(self, reply: Reply) -> Reply:
        known = reply.headers.get(SERIAL_HEADER) == self._public_key_id
        if 200 <= reply.status_code < 300 and not (known and is_fresh(reply.headers.get(TIMESTAMP_HEADER, ""))):
            raise NoReply(Unclear.UNVERIFIED)
        return reply
