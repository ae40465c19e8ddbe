"""The wire between the product and the simulated WeChat within one process: the same bytes, without sockets."""

from collections.abc import Mapping

import httpx
from starlette.types import ASGIApp

from app.wechat import Reply


class Application:
    """A caller of an ASGI application, for `send` of the clients to WeChat and `post` of the simulator.

    An error that the application raises is the caller's, as the lost reply that the simulator raises on order.
    """

    def __init__(self, app: ASGIApp, *, raising: bool = True) -> None:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=raising)
        self._client = httpx.AsyncClient(transport=transport)

    async def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> Reply:
        reply = await self._client.request(method, url, headers=headers, content=content)
        return Reply(reply.status_code, reply.headers, reply.content)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        return (await self.send("POST", url, headers, body)).status_code
