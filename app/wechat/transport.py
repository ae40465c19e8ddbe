"""The transport under the WeChat Pay SDK: it cures two of the SDK's faults where the bytes pass."""

import httpx

from app.wechat.signatures import SERIAL_HEADER, TIMESTAMP_HEADER, is_fresh


class UnverifiedReply(Exception):
    """A 2xx reply that is not signed by WeChat's known key, or not lately: to be treated as forged."""


class PayTransport(httpx.AsyncBaseTransport):
    """Passes requests on to `inner`, with two corrections.

    * The SDK signs nothing for a POST without a body but sends `null`, which WeChat answers with SIGN_ERROR:
      here the body is emptied.
    * A success whose serial is not `public_key_id` is refused before the SDK sees it, because the SDK would answer an
      unknown serial by downloading certificates without checking them; so is one older than five minutes, which the
      SDK never checks.

    Raises UnverifiedReply, and the errors of `inner`.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, *, public_key_id: str) -> None:
        self._inner = inner
        self._public_key_id = public_key_id

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(await _without_null(request))
        if response.is_success and not self._is_ours(response.headers):
            await response.aclose()
            raise UnverifiedReply
        return response

    def _is_ours(self, headers: httpx.Headers) -> bool:
        return headers.get(SERIAL_HEADER) == self._public_key_id and is_fresh(headers.get(TIMESTAMP_HEADER, ""))

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _without_null(request: httpx.Request) -> httpx.Request:
    if request.method != "POST" or await request.aread() != b"null":
        return request
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"content-length"]
    return httpx.Request(request.method, request.url, headers=headers, content=b"", extensions=request.extensions)
