"""How tests log customers in."""

from typing import Any

import httpx


async def a_code(simulator: httpx.AsyncClient, **buyer: str) -> tuple[str, str]:
    reply = await simulator.post("/simulator/buyers", json=buyer)
    assert reply.status_code in (200, 201), reply.text
    return reply.json()["openid"], reply.json()["code"]


async def log_in(api: httpx.AsyncClient, simulator: httpx.AsyncClient, **buyer: str) -> dict[str, Any]:
    _, code = await a_code(simulator, **buyer)
    reply = await api.post("/v1/session", json={"code": code})
    assert reply.status_code == 200, reply.text
    session: dict[str, Any] = reply.json()
    return session


def bearer(session: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {session['access_token']}"}
