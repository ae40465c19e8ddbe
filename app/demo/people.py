"""People with a phone or a desk: thin clients of the public API."""

from typing import Any, Self
from uuid import uuid4

import httpx


class RequestFailed(RuntimeError):
    """The API refused what the demonstration needs, with this status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Api:
    """A caller with one identity. Answers are the JSON bodies; anything but success raises RequestFailed."""

    def __init__(self, http: httpx.AsyncClient, token: str | None = None) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def get(self, path: str, **query: Any) -> Any:
        return await self._send("GET", path, params=query)

    async def post(self, path: str, body: Any = None, *, once: bool = False) -> Any:
        """`once` sends a fresh Idempotency-Key along."""
        headers = {"Idempotency-Key": uuid4().hex} if once else {}
        return await self._send("POST", path, json=body, headers=headers)

    async def put(self, path: str, body: Any) -> Any:
        return await self._send("PUT", path, json=body)

    async def _send(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Any:
        response = await self._http.request(method, path, headers={**self._headers, **(headers or {})}, **options)
        if response.status_code >= 300:
            text = f"{method} {path}: {response.status_code} {response.text[:400]}"
            raise RequestFailed(text, response.status_code)
        return response.json() if response.content else None

    async def staff(self, login: str, password: str) -> Self:
        """The same connection, logged in as staff."""
        session = await self.post("/v1/admin/session", {"login": login, "password": password})
        return type(self)(self._http, session["access_token"])


class Customer(Api):
    """Somebody in the mini-program."""

    id: str
    name: str

    @classmethod
    async def log_in(cls, http: httpx.AsyncClient, simulator: httpx.AsyncClient, name: str) -> "Customer":
        """A new WeChat user opens the mini-program: `wx.login`'s code, our session, a nickname."""
        buyer = (await simulator.post("/simulator/buyers")).raise_for_status().json()
        session = await Api(http).post("/v1/session", {"code": buyer["code"]})
        customer = cls(http, session["access_token"])
        customer.id, customer.name = session["customer"]["id"], name
        await customer.put("/v1/me", {"nickname": name, "avatar_url": None})
        return customer
