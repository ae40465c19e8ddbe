"""CPU time of single requests inside the API: from the ASGI call to the last byte, without a server around it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import uvloop
from fastapi import FastAPI

from app.core.db import Database
from app.core.settings import Settings
from app.demo.brand import build, create_headquarters
from app.demo.people import Customer
from app.migrations import schema
from app.processes.api import create_app
from app.processes.dev import environment_of, throwaway
from app.processes.stack import Stack
from bench.figures import Figure

CARDS = 20
BATCH = 10
BATCHES = 500

GOALS_MS = {"one_statement": 0.6, "twenty_cards": 1.0}


async def measure() -> list[Figure]:
    """The fastest of many small batches: what the code costs, not what else the machine does."""
    with throwaway("bench-requests", rate_limits=False, log_level="ERROR", api_workers=1) as settings:
        paths = await _prepared(settings)
        return await asyncio.to_thread(lambda: uvloop.run(_measure(settings, *paths)))


async def _prepared(settings: Settings) -> tuple[dict[str, str], str]:
    """A brand with twenty products, and a customer with an order: the addresses to ask, and the customer's token."""
    database = Database(settings, connections=2, name="siyu-bench")
    await schema.upgrade(database)
    await create_headquarters(database)
    await database.close()
    stack = Stack(settings, environment_of(settings), log=settings.data_dir / "processes.log", live=False)
    try:
        await stack.start()
        async with (
            httpx.AsyncClient(base_url=settings.public_url, timeout=60, trust_env=False) as http,
            httpx.AsyncClient(base_url=settings.wechat_pay_base, timeout=60, trust_env=False) as simulator,
        ):
            brand = await build(http)
            store = brand.stores["s001"]["id"]
            for number in range(CARDS):
                product = {"title": f"茶{number}", "skus": [{"title": "250g", "list_fen": 12_800}]}
                sku = (await brand.hq.post("/v1/admin/mall/products", product))["skus"][0]
                stock = {"on_hand": 10, "sold": 0, "version": 0}
                await brand.hq.put(f"/v1/admin/mall/stock/plc{store[3:]}/{sku['id']}", stock)
            buyer = await Customer.log_in(http, simulator, "李雷")
            order = {
                "store": store,
                "lines": [{"sku": sku["id"], "quantity": 1}],
                "fulfilment": {"kind": "pickup"},
                "expected_payable_fen": 12_800,
            }
            placed = await buyer.post("/v1/mall/orders", order, once=True)
    finally:
        await stack.stop()
    return {
        "no_statement": "/health/live",
        "one_statement": "/v1/mall/categories",
        "twenty_cards": f"/v1/mall/products?store={store}",
        "one_order": f"/v1/mall/orders/{placed['order']['id']}",
        "orders": "/v1/mall/orders",
    }, buyer._headers["Authorization"]


async def _measure(settings: Settings, paths: dict[str, str], token: str) -> list[Figure]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        return [await _figure(app, name, path, token) for name, path in paths.items()]


async def _figure(app: FastAPI, name: str, path: str, token: str) -> Figure:
    send = _request(app, path, token)
    for _ in range(BATCH):
        await send()
    best_s = float("inf")
    for _ in range(BATCHES):
        began_s = time.thread_time()
        for _ in range(BATCH):
            await send()
        best_s = min(best_s, (time.thread_time() - began_s) / BATCH)
    goal_ms = GOALS_MS.get(name)
    return Figure(
        name=f"request_{name}",
        value=round(best_s * 1000, 3),
        unit="ms CPU",
        goal=None if goal_ms is None else f"<= {goal_ms}",
        holds=None if goal_ms is None else best_s * 1000 <= goal_ms,
    )


def _request(app: FastAPI, path: str, token: str) -> Callable[[], Awaitable[None]]:
    address, _, query = path.partition("?")
    headers = [(b"host", b"bench"), (b"accept", b"*/*"), (b"authorization", token.encode())]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200, message

    async def request() -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": address,
            "raw_path": address.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
            "server": ("bench", 80),
            "state": {},
        }
        await app(scope, receive, send)

    return request
