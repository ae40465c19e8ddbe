"""SIGKILL at every step: retries of the client and of WeChat heal it; nothing is lost, nothing is doubled."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app import modules
from app.core.db import Database
from app.core.ids import wire
from tests import sql
from tests.audit import audit, becomes, count, events, refunds_due
from tests.conftest import Drain, Stage
from tests.faults.conftest import Start, Victim
from tests.faults.victim import POINTS
from tests.modules.live.test_tips import give, pay
from tests.shop import Person, Shop
from tests.wechat_words import paid_word, pay_in_silence

RunJobs = Callable[[], Awaitable[None]]


def points(of: str) -> list[str]:
    return [point for point in POINTS if point.startswith(f"{of}: ")]


async def ask(victim: Victim, person: Person | None, path: str, **request: Any) -> None:
    """Send a request to a process that will not live to answer it."""
    headers = dict(request.pop("headers", {}))
    if person is not None:
        headers["Authorization"] = person.headers["Authorization"]
    assert victim.address is not None
    async with httpx.AsyncClient(base_url=victim.address, timeout=40, trust_env=False) as phone:
        with pytest.raises(httpx.TransportError):
            await phone.post(path, headers=headers, **request)
    await victim.killed()


async def forget_leases(db: Database) -> None:
    """The time after which another attempt may take over has passed."""
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE idempotency_key SET lease_until = clock_timestamp() - interval '1 second'")
        await sql.execute(session, "UPDATE pgqueuer SET heartbeat = heartbeat - interval '10 minutes'")


async def check_sold(db: Database, shop: Shop, units: int) -> None:
    async with db.transaction() as session:
        row = await sql.fetchrow(
            session, "SELECT on_hand, reserved, sold FROM mall_stock WHERE sku_id = $1", shop.sku_id
        )
    assert row is not None
    assert (row["on_hand"], row["reserved"], row["sold"]) == (100 - units, 0, units)


@pytest.mark.parametrize("point", points("placing"))
async def test_killed_while_placing_an_order(
    start: Start, shop: Shop, stage: Stage, db: Database, drain: Drain, point: str
) -> None:
    buyer = await shop.customer()
    body = {**shop.basket(2), "expected_payable_fen": 2 * shop.price_fen}
    victim = await start("api", point)
    await ask(victim, buyer, "/v1/mall/orders", json=body, headers={"Idempotency-Key": "mine"})
    assert await count(db, "SELECT count(*) FROM mall_order") == (0 if "not committed" in point else 1)
    assert await audit(db) == []

    await forget_leases(db)
    again = await buyer.post("/v1/mall/orders", json=body, headers={"Idempotency-Key": "mine"})
    assert again.status_code == 201, again.text
    assert (again.headers.get("Idempotency-Replayed") == "true") == ("reply kept" in point)
    assert await count(db, "SELECT count(*) FROM mall_order") == 1
    assert await count(db, "SELECT count(*) FROM payments_charge") == 1
    await buyer.pay(again.json())
    await drain()
    await check_sold(db, shop, 2)
    assert await events(db, "mall.order_paid") == 1
    assert await audit(db) == []


@pytest.mark.parametrize("point", points("paying"))
async def test_killed_while_taking_a_payment(
    start: Start, shop: Shop, api: httpx.AsyncClient, stage: Stage, db: Database, drain: Drain, point: str
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(3)
    transaction = await pay_in_silence(stage, placed["payment"]["charge"])
    word = paid_word(stage, transaction)
    victim = await start("api", point)
    await ask(victim, None, word.path, content=word.body, headers=word.headers)
    committed = "paying: committed" in point
    assert await count(db, "SELECT count(*) FROM mall_order WHERE status = 'paid'") == committed
    assert await events(db, "mall.order_paid") == committed
    assert await audit(db) == []

    assert (await paid_word(stage, transaction).say(api)).status_code == 204
    await drain()
    await check_sold(db, shop, 3)
    assert await events(db, "mall.order_paid") == 1
    assert await audit(db) == []


async def refund(person: Person, order: dict[str, Any], key: str) -> httpx.Response:
    return await person.post(
        f"/v1/admin/mall/orders/{order['id']}/refunds", json=refund_body(order), headers={"Idempotency-Key": key}
    )


def refund_body(order: dict[str, Any]) -> dict[str, Any]:
    return {"lines": [{"line": order["lines"][0]["id"], "quantity": 1, "restock": True}], "reason": "破损"}


async def check_refunded(db: Database, shop: Shop) -> None:
    assert await refunds_due(db) == 0
    assert await count(db, "SELECT count(*) FROM payments_refund WHERE status = 'succeeded'") == 1
    assert await count(db, "SELECT refunded_fen FROM mall_order") == shop.price_fen
    assert await events(db, "mall.refund_agreed") == 1
    assert await events(db, "mall.refund_paid") == 1
    await check_sold(db, shop, 1)
    assert await audit(db) == []


@pytest.mark.parametrize("point", points("refunding"))
async def test_killed_while_agreeing_a_refund(
    start: Start, shop: Shop, stage: Stage, db: Database, drain: Drain, run_jobs: RunJobs, point: str
) -> None:
    buyer, manager = await shop.customer(), await shop.staff("hq")
    placed = await buyer.order(2)
    await buyer.pay(placed)
    order = placed["order"]
    victim = await start("api", point)
    path = f"/v1/admin/mall/orders/{order['id']}/refunds"
    await ask(victim, manager, path, json=refund_body(order), headers={"Idempotency-Key": "mine"})
    await forget_leases(db)
    assert (await refund(manager, order, "mine")).status_code == 201
    await run_jobs()
    await stage.deliver()
    await drain()
    await check_refunded(db, shop)


@pytest.mark.parametrize("point", points("job"))
async def test_killed_while_sending_a_refund(
    start: Start, shop: Shop, stage: Stage, db: Database, drain: Drain, run_jobs: RunJobs, point: str
) -> None:
    buyer, manager = await shop.customer(), await shop.staff("hq")
    placed = await buyer.order(2)
    await buyer.pay(placed)
    (await stage.simulator.post("/simulator/refunds/hold", json={"hold": True})).raise_for_status()
    assert (await refund(manager, placed["order"], "mine")).status_code == 201
    await (await start("worker", point)).killed()
    assert await audit(db) == []
    await forget_leases(db)
    await run_jobs()
    number = await count(db, "SELECT count(*) FROM payments_refund WHERE status = 'processing'")
    assert number == 1, "sent again under its own number"
    async with db.transaction() as session:
        refund_id = await sql.fetchval(session, "SELECT id FROM payments_refund")

    outcome = f"/simulator/refunds/{wire('rfd', refund_id)}/outcome"
    (await stage.simulator.post(outcome, json={"state": "SUCCESS"})).raise_for_status()
    await stage.deliver()
    await drain()
    await check_refunded(db, shop)


@pytest.mark.parametrize(
    "point", [*points("sequencing"), *points("consuming"), *[f"consumer {c.name}" for c in modules.consumers()]]
)
async def test_killed_while_reading_the_log(
    start: Start,
    shop: Shop,
    stage: Stage,
    db: Database,
    drain: Drain,
    run_jobs: RunJobs,
    room: dict[str, Any],
    point: str,
) -> None:
    buyer, manager = await shop.customer(), await shop.staff("hq")
    placed = [await buyer.order(2) for _ in range(3)]
    for one in placed:
        await buyer.pay(one)
    assert (await refund(manager, placed[0]["order"], "mine")).status_code == 201
    await run_jobs()
    await stage.deliver()
    await buyer.post(f"/v1/mall/orders/{(await buyer.order())['order']['id']}/close", headers={"Idempotency-Key": "c"})
    await pay(stage, await give(buyer, room))
    if point.startswith("consumer "):
        assert await _reads_something(db, point.removeprefix("consumer "))
    await (await start("worker", point)).killed()
    await becomes(db, LEFT, 0)
    await drain()
    numbers = "SELECT coalesce(max(seq), 0) - count(*) FROM event"
    assert await count(db, numbers) == 0, "the numbers have no gaps"
    assert await count(db, "SELECT count(*) FROM event_outbox") == 0
    assert await events(db, "mall.order_paid") == 3
    assert await events(db, "mall.refund_paid") == 1
    assert await count(db, "SELECT count(*) FROM event_dead_letter") == 0
    await check_sold(db, shop, 5)
    assert await audit(db) == []


LEFT = """SELECT count(*) FROM pg_stat_activity
          WHERE application_name LIKE 'siyu-worker%' AND datname = current_database()"""
"""Connections of the killed worker whose end the server has not noticed: they may still hold the cursor's row."""


async def _reads_something(db: Database, name: str) -> bool:
    consumer = next(consumer for consumer in modules.consumers() if consumer.name == name)
    return bool(sum([await events(db, kind) for kind in consumer.kinds]))
