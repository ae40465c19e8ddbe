"""What an order and the calls around it cost: processor time by the scheduler's account, beside pgbench of the same SQL.

One API process with its rate limits, its log at INFO and real RSA; the simulator plays WeChat. Per figure the API's and
PostgreSQL's time are divided by the number of calls; the load comes from this process and does not count.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import make_url

from app.core.db import Database
from app.core.embedded import postgres_binary
from app.core.events import lag
from app.core.ids import parse
from app.core.settings import Settings
from app.demo.brand import build, create_headquarters
from app.migrations import schema
from app.processes.api import create_app
from app.processes.auditor import run_audit
from app.processes.dev import environment_of, throwaway
from app.processes.stack import Stack
from bench import statements
from bench.figures import RUNS, Figure, figure
from bench.machine import cpu_ns, postgres_pids, spent_ns
from bench.wire import Connection

CUSTOMERS = 240
SKUS = 20
CONNECTIONS = 8
ORDERS_PER_RUN = 1_500
CALLS_PER_RUN = 3_000

GOAL_ORDER_MS = 3.5
GOAL_RATIO = 1.3
GOAL_ORDERS_PER_CORE = 400
GOAL_READ_MS = 0.6
GOAL_CARDS_MS = 1.0
GOAL_NOTIFICATION_MS = 1.5
GOAL_EVENTS_PER_CORE = 6_000
GOAL_IDLE_MS_PER_S = 10


async def measure() -> list[Figure]:
    """Orders, reads, notifications, the log's consumers and an idle worker."""
    with throwaway("bench", log_level="INFO") as settings:
        return await _measure(settings)


@dataclass
class Scene:
    """A brand with stocked SKUs and people to buy them, and where its processes are."""

    settings: Settings
    database: Database
    store: str
    product: dict[str, Any]
    buyers: list[dict[str, str]]
    api_pids: list[int]
    charges: list[str]
    orders: list[tuple[int, str]]

    def postgres(self) -> list[int]:
        return postgres_pids(self.settings.data_dir)


@dataclass(frozen=True)
class Cost:
    """Processor time of one call, in milliseconds, and the time on the clock of the slowest hundredth."""

    api_ms: float
    postgres_ms: float
    p99_ms: float


async def _measure(settings: Settings) -> list[Figure]:
    database = Database(settings, connections=2, name="siyu-bench")
    await schema.upgrade(database)
    await create_headquarters(database)
    async with _stack(settings, ["simulator", "api"]) as stack:
        scene = await _scene(settings, database, stack)
        orders = [await _orders(scene, run) for run in range(RUNS + 1)][1:]
        reads = [await _reads(scene) for _ in range(RUNS + 1)][1:]
        cards = [await _cards(scene) for _ in range(RUNS + 1)][1:]
        notifications = [await _notifications(scene, run) for run in range(RUNS)]
        recorded = await _record(scene)
    pgbench_ms = [await _pgbench(scene, recorded) for _ in range(RUNS)]
    events_per_core = await _consumers(scene)
    idle_ms = await _idle(scene)
    breaches = [b for found in (await run_audit(database)).values() for b in found]
    await database.close()
    ratios = [order.postgres_ms / pg for order, pg in zip(orders, pgbench_ms, strict=True)]
    names = [sql for sql, _ in recorded]
    return [
        figure(
            "order_cpu", [o.api_ms + o.postgres_ms for o in orders], "ms of API + PostgreSQL", at_most=GOAL_ORDER_MS
        ),
        figure("order_cpu_api", [o.api_ms for o in orders], "ms"),
        figure("order_cpu_postgres", [o.postgres_ms for o in orders], "ms"),
        figure("order_postgres_to_pgbench", ratios, "ratio", at_most=GOAL_RATIO),
        figure("orders_per_api_core", [1_000 / o.api_ms for o in orders], "orders/s", at_least=GOAL_ORDERS_PER_CORE),
        figure("order_p99", [o.p99_ms for o in orders], "ms"),
        figure("order_statements", [len([n for n in names if n not in ("BEGIN", "COMMIT", "ALONE")])], "statements"),
        figure("order_transactions", [names.count("BEGIN") + names.count("ALONE")], "transactions"),
        figure("read_cpu_api", [r.api_ms for r in reads], "ms", at_most=GOAL_READ_MS),
        figure("cards_cpu_api", [c.api_ms for c in cards], "ms", at_most=GOAL_CARDS_MS),
        figure("notification_cpu_api", [n.api_ms for n in notifications], "ms", at_most=GOAL_NOTIFICATION_MS),
        figure("events_per_core", [events_per_core], "events/s", at_least=GOAL_EVENTS_PER_CORE),
        figure("idle_worker_cpu", [idle_ms], "ms/s with PostgreSQL", at_most=GOAL_IDLE_MS_PER_S),
        figure("audit_breaches", [len(breaches)], "breaches", at_most=0),
    ]


@asynccontextmanager
async def _stack(settings: Settings, names: list[str]) -> AsyncIterator[Stack]:
    stack = Stack(settings, environment_of(settings), log=settings.data_dir / "processes.log", live=False)
    stack.processes = [process for process in stack.processes if process.name in names]
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


async def _scene(settings: Settings, database: Database, stack: Stack) -> Scene:
    async with (
        httpx.AsyncClient(base_url=settings.public_url, timeout=60, trust_env=False) as http,
        httpx.AsyncClient(base_url=settings.wechat_pay_base, timeout=60, trust_env=False) as simulator,
    ):
        brand = await build(http)
        store = brand.stores["s001"]["id"]
        body = {"title": "压测", "skus": [{"title": f"款{i}", "list_fen": 1_000 + i} for i in range(SKUS)]}
        product = await brand.hq.post("/v1/admin/mall/products", body)
        for index in range(20):
            await brand.hq.post("/v1/admin/mall/products", {**body, "title": f"压测{index}", "skus": body["skus"][:3]})
        place = "plc" + store.removeprefix("sto")
        for sku in product["skus"]:
            stock = {"on_hand": 1_000_000, "sold": 0, "version": 0}
            await brand.hq.put(f"/v1/admin/mall/stock/{place}/{sku['id']}", stock)
        buyers = [await _log_in(http, simulator, number) for number in range(CUSTOMERS)]
    api = next(process for process in stack.processes if process.name == "api")
    assert api.child is not None
    return Scene(settings, database, store, product, buyers, [api.child.pid], [], [])


async def _log_in(http: httpx.AsyncClient, simulator: httpx.AsyncClient, number: int) -> dict[str, str]:
    """A customer behind an address of their own, since logins are limited by address."""
    address = {"X-Forwarded-For": f"10.0.{number // 250}.{number % 250 + 1}"}
    buyer = (await simulator.post("/simulator/buyers")).raise_for_status().json()
    session = (await http.post("/v1/session", json={"code": buyer["code"]}, headers=address)).raise_for_status().json()
    return {"Authorization": f"Bearer {session['access_token']}", "id": session["customer"]["id"], **address}


def _headers(buyer: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in buyer.items() if name != "id"}


def _order(scene: Scene, index: int) -> dict[str, Any]:
    sku = scene.product["skus"][index % SKUS]
    return {
        "store": scene.store,
        "lines": [{"sku": sku["id"], "quantity": 1}],
        "fulfilment": {"kind": "pickup"},
        "expected_payable_fen": sku["list_fen"],
    }


async def _cost(scene: Scene, calls: int, call: Callable[[Connection, int], Awaitable[None]]) -> Cost:
    """Make so many calls over a few connections, closed loop, and divide the time that they cost."""
    postgres = scene.postgres()
    before = cpu_ns(scene.api_pids), cpu_ns(postgres)
    took_s: list[float] = []
    numbers = iter(range(calls))

    async def work() -> None:
        connection = Connection(scene.settings.host, scene.settings.port)
        for number in numbers:
            began = time.perf_counter()
            await call(connection, number)
            took_s.append(time.perf_counter() - began)
        connection.close()

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    after = cpu_ns(scene.api_pids), cpu_ns(scene.postgres())
    api_ms, postgres_ms = (spent_ns(b, a) / 1e6 / calls for b, a in zip(before, after, strict=True))
    took_s.sort()
    return Cost(api_ms, postgres_ms, took_s[int(len(took_s) * 0.99)] * 1_000)


async def _orders(scene: Scene, run: int) -> Cost:
    async def buy(connection: Connection, number: int) -> None:
        buyer = (run * ORDERS_PER_RUN + number) % CUSTOMERS
        headers = {**_headers(scene.buyers[buyer]), "Idempotency-Key": uuid4().hex}
        status, body = await connection.send("POST", "/v1/mall/orders", headers, _order(scene, number))
        assert status == 201, body
        placed = json.loads(body)
        scene.charges.append(placed["payment"]["charge"])
        scene.orders.append((buyer, placed["order"]["id"]))

    return await _cost(scene, ORDERS_PER_RUN, buy)


async def _reads(scene: Scene) -> Cost:
    async def read(connection: Connection, number: int) -> None:
        buyer, order = scene.orders[number % len(scene.orders)]
        status, body = await connection.send("GET", f"/v1/mall/orders/{order}", _headers(scene.buyers[buyer]))
        assert status == 200, body

    return await _cost(scene, CALLS_PER_RUN, read)


async def _cards(scene: Scene) -> Cost:
    path = f"/v1/mall/products?store={scene.store}&limit=20"

    async def read(connection: Connection, number: int) -> None:
        status, body = await connection.send("GET", path, _headers(scene.buyers[number % CUSTOMERS]))
        assert status == 200, body
        assert body.count(b'"share"') == 20

    return await _cost(scene, CALLS_PER_RUN, read)


async def _notifications(scene: Scene, run: int) -> Cost:
    """The simulator's notifications of a third of the charges, each verified, settled and answered."""
    count = len(scene.charges) // RUNS
    charges = scene.charges[run * count : (run + 1) * count]
    paid = "SELECT count(*) FROM mall_order WHERE status = 'paid'"
    known = await _count(scene.database, paid)
    postgres = scene.postgres()
    before = cpu_ns(scene.api_pids), cpu_ns(postgres)
    async with httpx.AsyncClient(base_url=scene.settings.wechat_pay_base, timeout=60, trust_env=False) as simulator:
        for charge in charges:
            (await simulator.post(f"/simulator/charges/{charge}/pay")).raise_for_status()
    async with asyncio.timeout(120):
        while await _count(scene.database, paid) < known + count:  # noqa: ASYNC110  another process works
            await asyncio.sleep(0.05)
    after = cpu_ns(scene.api_pids), cpu_ns(scene.postgres())
    api_ms, postgres_ms = (spent_ns(b, a) / 1e6 / count for b, a in zip(before, after, strict=True))
    return Cost(api_ms, postgres_ms, 0.0)


async def _count(database: Database, sql: str) -> int:
    async with database.alone() as session:
        row = await session.fetch_first(sql, ())
    assert row is not None
    return int(row[0])


async def _record(scene: Scene) -> list[statements.Recorded]:
    """The statements of one order, from the product itself in this process, WeChat asked in between as always."""
    app = create_app(scene.settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench") as http,
    ):
        with statements.recorded() as recorded:
            headers = {**_headers(scene.buyers[0]), "Idempotency-Key": "bench-key-1"}
            reply = await http.post("/v1/mall/orders", json=_order(scene, 0), headers=headers)
    assert reply.status_code == 201, reply.text
    return recorded


async def _pgbench(scene: Scene, recorded: list[statements.Recorded]) -> float:
    """PostgreSQL's processor time of one transaction of the same SQL, prepared, without Python; in milliseconds."""
    skus = [parse("sku", sku["id"]) for sku in scene.product["skus"]]
    known = {parse("sto", scene.store), parse("prd", scene.product["id"]), *skus}
    known |= {parse("cus", buyer["id"]) for buyer in scene.buyers}
    script = statements.script(recorded, known, skus, skus[0])
    path = scene.settings.data_dir / "order.sql"
    path.write_text(script.text)
    path.chmod(0o644)
    return await asyncio.to_thread(_run_pgbench, scene, path, script.variables)


def _run_pgbench(scene: Scene, path: Path, variables: dict[str, str]) -> float:
    assert scene.settings.database_url
    url = make_url(scene.settings.database_url)
    defined = [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
    command = [
        str(postgres_binary("pgbench")),
        *("-h", str(url.query.get("host") or url.host), "-U", str(url.username), "-n", "-M", "prepared"),
        *("-c", str(CONNECTIONS), "-j", "1", "-D", "turn=0", *defined),
        *("-t", str(ORDERS_PER_RUN // CONNECTIONS), "-f", str(path), str(url.database)),
    ]
    if url.port:
        command[1:1] = ["-p", str(url.port)]
    options = "-c plan_cache_mode=force_generic_plan -c jit=off"
    before = cpu_ns(scene.postgres())
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PGOPTIONS": options}
    ) as running:
        last: dict[int, int] = {}
        while running.poll() is None:
            last |= cpu_ns(scene.postgres())  # its backends end with it, and what they spent with them
            time.sleep(0.02)
        _, complaint = running.communicate()
    if running.returncode:
        raise RuntimeError(f"pgbench failed: {complaint[-2_000:]}")
    return spent_ns(before, last) / 1e6 / (ORDERS_PER_RUN // CONNECTIONS * CONNECTIONS)


async def _consumers(scene: Scene) -> float:
    """Events of paid orders through numbering and every consumer, per second of the worker's processor time."""
    waiting = await _count(scene.database, "SELECT count(*) FROM event_outbox")
    async with _stack(scene.settings, ["worker"]) as stack:
        worker = stack.processes[0].child
        assert worker is not None
        async with asyncio.timeout(300):
            while (await _behind(scene.database)) > 0:  # noqa: ASYNC110  another process works
                await asyncio.sleep(0.05)
        spent = sum(cpu_ns([worker.pid]).values())
        started = await _start_up(scene, stack)
    numbered = await _count(scene.database, "SELECT count(*) FROM event")
    assert numbered >= waiting
    return numbered / max(1e-9, (spent - started) / 1e9)


async def _start_up(scene: Scene, _: Stack) -> float:
    """What a worker spends on starting, which is no event's."""
    async with _stack(scene.settings, ["worker"]) as stack:
        worker = stack.processes[0].child
        assert worker is not None
        await asyncio.sleep(8)
        return float(sum(cpu_ns([worker.pid]).values()))


async def _behind(database: Database) -> int:
    async with database.transaction() as session:
        behind = await lag(session)
    return sum(behind.values())


async def _idle(scene: Scene) -> float:
    """What a worker with nothing to do and its database spend, in milliseconds per second."""
    async with _stack(scene.settings, ["worker"]) as stack:
        worker = stack.processes[0].child
        assert worker is not None
        await asyncio.sleep(12)
        before = cpu_ns([worker.pid, *scene.postgres()])
        await asyncio.sleep(20)
        after = cpu_ns([worker.pid, *scene.postgres()])
    return spent_ns(before, after) / 1e6 / 20
