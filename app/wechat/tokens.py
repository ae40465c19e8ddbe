"""The access token of the mini-program's server API, kept in this process.

Outside rule: `/cgi-bin/stable_token` gives every caller the same token for 7,200 s, and a new one within the last five
minutes of the old, while both work; so each process may keep its own copy.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

RENEW_BEFORE_S = 240

FetchToken = Callable[[], Awaitable[tuple[str, int]]]


class TokenKeeper:
    """One token and its expiry. `fetch` answers a token and its remaining life in seconds."""

    def __init__(self, fetch: FetchToken) -> None:
        self._fetch = fetch
        self._single_flight = asyncio.Lock()
        self._token = ""
        self._renew_at_s = 0.0

    async def token(self) -> str:
        """A token that is good for some minutes; at most one fetch is under way. Raises what `fetch` raises."""
        if self._is_good():
            return self._token
        async with self._single_flight:
            if not self._is_good():
                token, life_s = await self._fetch()
                # A life shorter than the margin must not make every call fetch.
                self._renew_at_s = time.monotonic() + max(life_s - RENEW_BEFORE_S, life_s / 2)
                self._token = token
            return self._token

    def forget(self, token: str) -> None:
        """WeChat no longer takes `token`; a newer one, fetched meanwhile, is kept."""
        if token == self._token:
            self._token = ""

    def _is_good(self) -> bool:
        return bool(self._token) and time.monotonic() < self._renew_at_s
