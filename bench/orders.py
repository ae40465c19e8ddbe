"""Orders per second through HTTP with two API processes, beside pgbench running the same SQL on the same server."""

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import make_url

from app import schema
from app.auditor import run_audit
from app.core.db import Database
from app.core.embedded import postgres_binary
from app.core.ids import parse
from app.core.settings import Settings
from app.demo.brand import build, create_headquarters
from app.demo.people import Api, Customer
from app.development import environment_of, throwaway
from app.main import create_app
from app.stack import Stack
from bench import statements
from bench.figures import Figure
from bench.wire import Connection

CUSTOMERS = 64
SKUS = 20
WARM_UP_S = 3
MEASURE_S = 10
CONNECTIONS = 16
GOAL_RATIO = 0.4


async def measure() -> list[Figure]:
    """One fresh system; first through HTTP, then by pgbench on the same database."""
    with throwaway("bench", rate_limits=False, log_level="ERROR", api_workers=2) as settings:
        return await _measure(settings)


async def _measure(settings: Settings) -> list[Figure]:
    database = Database(settings, connections=2, name="siyu-bench")
    await schema.upgrade(database)
    await create_headquarters(database)
    stack = Stack(settings, environment_of(settings), log=settings.data_dir / "processes.log", live=False)
    try:
        await stack.start()
        async with (
            httpx.AsyncClient(base_url=settings.public_url, timeout=60, trust_env=False) as http,
            httpx.AsyncClient(base_url=settings.wechat_pay_base, timeout=60, trust_env=False) as simulator,
        ):
            scene = await _scene(http, simulator)
        http_rate, p99_ms = await _load(settings, scene)
        recorded = await _record(settings, scene)
    finally:
        await stack.stop()
    breaches = [b for found in (await run_audit(database)).values() for b in found]
    baseline = await _pgbench(settings, scene, recorded)
    await database.close()
    ratio = http_rate / baseline
    return [
        Figure(
            name="orders_http_2_workers",
            value=round(http_rate, 1),
            unit="orders/s",
            baseline=round(baseline, 1),
            ratio=round(ratio, 3),
            goal=f"ratio >= {GOAL_RATIO}",
            holds=ratio >= GOAL_RATIO,
        ),
        Figure(name="orders_http_p99", value=round(p99_ms, 1), unit="ms"),
        Figure(name="order_statements", value=sum(sql != "BEGIN" for sql, _ in recorded), unit="statements"),
        Figure(name="order_transactions", value=sum(sql == "BEGIN" for sql, _ in recorded), unit="transactions"),
        Figure(name="orders_audit_breaches", value=len(breaches), unit="breaches", goal="0", holds=not breaches),
    ]


async def _scene(http: httpx.AsyncClient, simulator: httpx.AsyncClient) -> dict[str, Any]:
    """The brand, twenty well-stocked SKUs and people to buy them."""
    brand = await build(http)
    store = brand.stores["s001"]["id"]
    body = {"title": "压测", "skus": [{"title": f"款{i}", "list_fen": 1_000 + i} for i in range(SKUS)]}
    product = await brand.hq.post("/v1/admin/mall/products", body)
    place = "plc" + store.removeprefix("sto")
    for sku in product["skus"]:
        stock = {"on_hand": 1_000_000, "sold": 0, "version": 0}
        await brand.hq.put(f"/v1/admin/mall/stock/{place}/{sku['id']}", stock)
    customers = [await Customer.log_in(http, simulator, f"客{i}") for i in range(CUSTOMERS)]
    return {"store": store, "product": product, "customers": customers}


def _order(scene: dict[str, Any], index: int) -> dict[str, Any]:
    sku = scene["product"]["skus"][index % SKUS]
    return {
        "store": scene["store"],
        "lines": [{"sku": sku["id"], "quantity": 1}],
        "fulfilment": {"kind": "pickup"},
        "expected_payable_fen": sku["list_fen"],
    }


async def _load(settings: Settings, scene: dict[str, Any]) -> tuple[float, float]:
    """Orders per second and the 99th percentile in ms, closed loop."""
    loop = asyncio.get_running_loop()
    begin = loop.time() + WARM_UP_S
    end = begin + MEASURE_S
    took_s: list[float] = []

    async def buy(number: int) -> None:
        connection = Connection(settings.host, settings.port)
        customer: Api = scene["customers"][number % CUSTOMERS]
        token = customer._headers["Authorization"].removeprefix("Bearer ")
        count = number
        while (started := loop.time()) < end:
            status, body = await connection.post("/v1/mall/orders", token, _order(scene, count), uuid4().hex)
            assert status == 201, body
            finished = loop.time()
            if begin <= started and finished <= end:
                took_s.append(finished - started)
            count += CONNECTIONS
        connection.close()

    await asyncio.gather(*(buy(number) for number in range(CONNECTIONS)))
    took_s.sort()
    return len(took_s) / MEASURE_S, took_s[int(len(took_s) * 0.99)] * 1000


async def _record(settings: Settings, scene: dict[str, Any]) -> list[statements.Statement]:
    """The statements of one order, from the product itself in this process, WeChat asked in between as always."""
    app = create_app(settings)
    customer: Api = scene["customers"][0]
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench") as http,
    ):
        with statements.recorded() as recorded:
            headers = {**customer._headers, "Idempotency-Key": "bench-key-1"}
            reply = await http.post("/v1/mall/orders", json=_order(scene, 0), headers=headers)
    assert reply.status_code == 201, reply.text
    return recorded


async def _pgbench(settings: Settings, scene: dict[str, Any], recorded: list[statements.Statement]) -> float:
    """Transactions per second of the same SQL, prepared, without Python."""
    skus = [parse("sku", sku["id"]) for sku in scene["product"]["skus"]]
    known = {parse("sto", scene["store"]), parse("prd", scene["product"]["id"]), *skus}
    known |= {parse("cus", customer.id) for customer in scene["customers"]}
    path = settings.data_dir / "order.sql"
    path.write_text(statements.script(recorded, known, skus, skus[0]))
    path.chmod(0o644)
    return await asyncio.to_thread(_run_pgbench, settings, path)


def _run_pgbench(settings: Settings, path: Path) -> float:
    assert settings.database_url
    url = make_url(settings.database_url)
    host = str(url.query.get("host") or url.host)
    command = [
        str(postgres_binary("pgbench")),
        *("-h", host, "-U", str(url.username), "-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "2"),
        *("-D", "turn=0", "-T", str(MEASURE_S), "-f", str(path), str(url.database)),
    ]
    if url.port:
        command[1:1] = ["-p", str(url.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ})
    rate = next((line for line in done.stdout.splitlines() if line.startswith("tps")), None)
    if done.returncode or rate is None:
        raise RuntimeError(f"pgbench failed: {done.stderr[-2_000:]}")
    return float(rate.split()[2])
