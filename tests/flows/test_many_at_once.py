"""Many at once: the last units, one key, repeated notifications, closing against paying, refunds, lock order."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.core.db import Database
from app.core.ids import parse
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.mall.orders import flows
from app.mall.orders.schemas import CloseReason
from app.payments import jobs as payments_jobs
from app.wechat import TradeState
from tests import sql
from tests.audit import audit, count, events, refunds_due
from tests.conftest import Drain, Stage
from tests.shop import Person, Shop, open_shop
from tests.wechat_words import paid_word, pay_in_silence, simulator_of

RunJobs = Callable[[], Awaitable[None]]


async def order_until_served(person: Person, quantity: int = 1, **changes: Any) -> httpx.Response:
    """A phone that tries again with its key while the system says that it is busy."""
    key = uuid4().hex
    for _ in range(20):
        response = await person.try_order(quantity, key=key, **changes)
        if response.status_code != 503 and response.json().get("code") != "still_running":
            break
    return response


async def crowd(shop: Shop, size: int) -> list[Person]:
    return await asyncio.gather(*(shop.customer() for _ in range(size)))


async def stock_row(db: Database, shop: Shop) -> tuple[int, int, int]:
    async with db.transaction() as session:
        row = await sql.fetchrow(
            session, "SELECT on_hand, reserved, sold FROM mall_stock WHERE sku_id = $1", shop.sku_id
        )
    assert row is not None
    return row["on_hand"], row["reserved"], row["sold"]


async def test_two_hundred_buyers_and_fifty_units(
    api: httpx.AsyncClient, stage: Stage, db: Database, settings: Settings
) -> None:
    shop = await open_shop(api, stage, db, settings, units=50)
    people = await crowd(shop, 200)
    replies = await asyncio.gather(*(order_until_served(person) for person in people))
    assert Counter(reply.status_code for reply in replies) == {201: 50, 409: 150}
    assert {reply.json()["code"] for reply in replies if reply.status_code == 409} == {"out_of_stock"}
    assert await stock_row(db, shop) == (50, 50, 0)
    assert await count(db, "SELECT count(*) FROM mall_order") == 50
    assert await count(db, "SELECT count(*) FROM payments_charge") == 50
    assert await audit(db) == []


async def test_one_key_sent_fifty_times_places_one_order(shop: Shop, db: Database) -> None:
    buyer, other = await crowd(shop, 2)
    replies = await asyncio.gather(*(buyer.try_order(2, key="one-key") for _ in range(50)))
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.content for reply in replies}) == 1
    assert Counter(reply.headers.get("Idempotency-Replayed") for reply in replies) == {None: 1, "true": 49}
    assert await count(db, "SELECT count(*) FROM mall_order") == 1

    changed = await buyer.try_order(1, key="one-key")
    assert (changed.status_code, changed.json()["code"]) == (422, "idempotency_key_reused")
    assert (await other.try_order(1, key="one-key")).status_code == 201
    assert await count(db, "SELECT count(*) FROM mall_order") == 2
    assert await stock_row(db, shop) == (100, 3, 0)
    assert await audit(db) == []


async def test_a_refused_order_leaves_its_key_free(shop: Shop, db: Database) -> None:
    buyer = await shop.customer()
    wrong = await buyer.try_order(1, key="again", expected_payable_fen=1)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "price_changed")
    assert wrong.json()["details"]["quote"]["payable_fen"] == shop.price_fen
    assert (await buyer.try_order(1, key="again")).status_code == 201
    assert await audit(db) == []


async def test_a_hundred_orders_notified_twenty_five_times_each_are_paid_once(
    api: httpx.AsyncClient, stage: Stage, db: Database, settings: Settings, drain: Drain
) -> None:
    shop = await open_shop(api, stage, db, settings, units=100)
    people = await crowd(shop, 10)
    placed = await asyncio.gather(*(people[i % 10].order() for i in range(100)))
    words = [paid_word(stage, await pay_in_silence(stage, one["payment"]["charge"])) for one in placed] * 25
    random.Random(7).shuffle(words)
    lanes = asyncio.Semaphore(50)

    async def deliver(word: Any) -> int:
        """Until it is answered, as WeChat does: a busy system says 503."""
        while True:
            async with lanes:
                reply = await word.say(api)
            if reply.status_code != 503:
                return int(reply.status_code)

    assert Counter(await asyncio.gather(*(deliver(word) for word in words))) == {204: 2500}
    assert await count(db, "SELECT count(*) FROM mall_order WHERE status = 'paid'") == 100
    assert await count(db, "SELECT count(*) FROM ledger_transfer WHERE kind = 'charge_paid'") == 100
    assert await events(db, "mall.order_paid") == 100
    assert await stock_row(db, shop) == (0, 0, 100)
    await drain()
    assert await audit(db) == []


async def expire(db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE mall_order SET expires_at = clock_timestamp() - interval '1 second'")


async def test_paying_while_the_order_closes_ends_paid_or_refunded(
    api: httpx.AsyncClient,
    stage: Stage,
    db: Database,
    settings: Settings,
    runtime: Runtime,
    drain: Drain,
    run_jobs: RunJobs,
) -> None:
    """Three ways: the money has landed and its word comes; it lands now; it lands and only the sweep can find it."""
    shop = await open_shop(api, stage, db, settings, units=45)
    people = await crowd(shop, 9)
    placed = await asyncio.gather(*(people[i % 9].order() for i in range(45)))
    await expire(db)
    chance = random.Random(11)

    async def after_some_turns(work: Awaitable[Any]) -> Any:
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        return await work

    async def pay_now(charge: str) -> None:
        await stage.simulator.post(f"/simulator/charges/{charge}/pay")  # refused when it is closed already
        await stage.deliver()

    async def race(number: int, one: dict[str, Any]) -> None:
        charge, order_id = one["payment"]["charge"], parse("ord", one["order"]["id"])
        close = flows.close_order(runtime, order_id, reason=CloseReason.TIMEOUT)
        if number % 3 == 0:
            word = paid_word(stage, await pay_in_silence(stage, charge))
            payment: Awaitable[Any] = word.say(api)
        elif number % 3 == 1:
            payment = pay_now(charge)
        else:
            payment = stage.simulator.post(f"/simulator/charges/{charge}/pay", json={"notify": False})
        await asyncio.gather(after_some_turns(close), after_some_turns(payment))

    await asyncio.gather(*(race(number, one) for number, one in enumerate(placed)))
    for one in placed:  # a sweep later: whatever was left open by a collision is closed or found paid
        await flows.close_order(runtime, parse("ord", one["order"]["id"]), reason=CloseReason.TIMEOUT)
    await run_jobs()
    await stage.deliver()
    await drain()

    ends = Counter[tuple[str, bool]]()
    for one in placed:
        status = (await people[0].get("/v1/mall/orders")).status_code
        assert status == 200
        async with db.transaction() as session:
            row = await sql.fetchrow(
                session, "SELECT status FROM mall_order WHERE id = $1", parse("ord", one["order"]["id"])
            )
        assert row is not None
        state = simulator_of(stage).charges[one["payment"]["charge"]].state
        ends[row["status"], state is TradeState.SUCCESS] += 1
    assert set(ends) <= {("paid", True), ("closed", False)}
    assert ends["paid", True] >= 15, ends
    on_hand, reserved, sold = await stock_row(db, shop)
    assert (on_hand + sold, reserved, sold) == (45, 0, ends["paid", True])
    assert await refunds_due(db) == 0
    assert await audit(db) == []


async def sent_back(reader: Person, placed: dict[str, Any], path: str = "/v1/mall/orders") -> list[dict[str, Any]]:
    """What a reader sees of an order's money that went back by itself, alone and in their list."""
    one = (await reader.get(f"{path}/{placed['order']['id']}")).json()
    listed = [order for order in (await reader.get(path)).json()["items"] if order["id"] == one["id"]]
    assert [order["refunds_by_itself"] for order in listed] == [one["refunds_by_itself"]]
    found: list[dict[str, Any]] = one["refunds_by_itself"]
    return found


async def close_then_pay_late(stage: Stage, runtime: Runtime, placed: dict[str, Any]) -> dict[str, Any]:
    """The order closes; then it turns out that WeChat had taken the money all the same."""
    assert await flows.close_order(runtime, parse("ord", placed["order"]["id"]), reason=CloseReason.TIMEOUT)
    charge = placed["payment"]["charge"]
    simulator_of(stage).charges[charge].state = TradeState.NOTPAY
    return await pay_in_silence(stage, charge)


async def test_late_money_buys_the_order_when_the_units_are_still_there(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, runtime: Runtime, drain: Drain
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(2)
    late = await close_then_pay_late(stage, runtime, placed)
    assert (await paid_word(stage, late).say(api)).status_code == 204
    order = (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()
    assert (order["status"], order["closed_at"], order["close_reason"]) == ("paid", None, None)
    assert await stock_row(db, shop) == (98, 0, 2)
    await drain()
    assert await audit(db) == []


async def test_late_money_is_refunded_by_itself_when_the_units_are_gone(
    api: httpx.AsyncClient,
    stage: Stage,
    db: Database,
    settings: Settings,
    runtime: Runtime,
    drain: Drain,
    run_jobs: RunJobs,
) -> None:
    shop = await open_shop(api, stage, db, settings, units=1)
    slow, quick = await crowd(shop, 2)
    placed = await slow.order()
    late = await close_then_pay_late(stage, runtime, placed)
    await quick.pay(await quick.order())
    word = paid_word(stage, late)
    assert [(await word.say(api)).status_code for _ in range(3)] == [204] * 3
    assert await refunds_due(db) == shop.price_fen
    assert await audit(db) == []
    assert [one["status"] for one in await sent_back(slow, placed)] == ["requested"]
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await refunds_due(db) == 0
    order = (await slow.get(f"/v1/mall/orders/{placed['order']['id']}")).json()
    assert (order["status"], order["paid_fen"], order["refunded_fen"], order["payments"]) == ("closed", 0, 0, [])
    (back,) = await sent_back(slow, placed)
    assert (back["kind"], back["status"], back["amount_fen"]) == ("late", "succeeded", shop.price_fen)
    assert back["charge"] == placed["payment"]["charge"]
    assert await count(db, "SELECT count(*) FROM payments_refund WHERE status = 'succeeded'") == 1
    assert await events(db, "mall.order_paid") == 1
    assert await audit(db) == []


async def pay_anew(stage: Stage, db: Database, buyer: Person, order_id: str, *, dead: str) -> str:
    """The buyer presses pay once more and gets another charge; WeChat had not finished closing the first after all."""
    known = simulator_of(stage).charges[dead]
    known.state = TradeState.CLOSED
    async with db.transaction() as session:  # its prepay id is two hours old, so WeChat is asked again
        await sql.execute(session, "UPDATE payments_charge SET prepaid_at = prepaid_at - interval '2 hours'")
    again = await buyer.post(f"/v1/mall/orders/{order_id}/payment")
    assert again.status_code == 200, again.text
    known.state = TradeState.NOTPAY
    charge: str = again.json()["charge"]
    assert charge != dead
    return charge


async def test_a_second_payment_of_one_order_is_refunded_by_itself(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, drain: Drain, run_jobs: RunJobs
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    first, order_id = placed["payment"]["charge"], placed["order"]["id"]
    second = await pay_anew(stage, db, buyer, order_id, dead=first)
    words = [paid_word(stage, await pay_in_silence(stage, charge)) for charge in (first, second)]
    replies = await asyncio.gather(*(word.say(api) for word in words * 5))
    assert {reply.status_code for reply in replies} == {204}
    await run_jobs()
    await stage.deliver()
    await drain()
    hq = await shop.staff("hq")
    order = (await buyer.get(f"/v1/mall/orders/{order_id}")).json()
    (back,) = await sent_back(hq, placed, "/v1/admin/mall/orders")
    assert (back["kind"], back["status"], order["paid_fen"]) == ("second", "succeeded", shop.price_fen)
    assert {back["charge"], order["payments"][0]["charge"]} == {first, second}
    listed = (await hq.get("/v1/admin/payments/refunds", params={"kind": "second"})).json()["items"]
    assert [(one["id"], one["subject"]) for one in listed] == [(back["id"], order_id)]
    assert (await hq.get("/v1/admin/payments/refunds", params={"stuck": "true"})).json()["items"] == []
    assert (await (await shop.staff("region", "/hq/east/")).get("/v1/admin/payments/refunds")).status_code == 403
    assert await events(db, "mall.order_paid") == 1
    assert await count(db, "SELECT count(*) FROM payments_charge WHERE status = 'settled'") == 2
    assert await count(db, "SELECT count(*) FROM payments_refund WHERE status = 'succeeded'") == 1
    assert await stock_row(db, shop) == (99, 0, 1)
    assert await refunds_due(db) == 0
    assert await audit(db) == []


@pytest.mark.parametrize("paid", [True, False])
async def test_a_charge_left_open_on_a_paid_order_is_closed_or_its_money_goes_back(
    api: httpx.AsyncClient,
    stage: Stage,
    db: Database,
    shop: Shop,
    runtime: Runtime,
    drain: Drain,
    run_jobs: RunJobs,
    paid: bool,
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    first, order_id = placed["payment"]["charge"], placed["order"]["id"]
    second = await pay_anew(stage, db, buyer, order_id, dead=first)
    assert (await paid_word(stage, await pay_in_silence(stage, first)).say(api)).status_code == 204
    if paid:
        await pay_in_silence(stage, second)
    await payments_jobs.close_charges(runtime)
    assert await count(db, "SELECT count(*) FROM payments_charge WHERE status = 'open'") == 1, "its time is not over"
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_charge SET expires_at = expires_at - interval '1 day'")
    for _ in range(2):
        await payments_jobs.close_charges(runtime)
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await count(db, "SELECT count(*) FROM payments_charge WHERE status = 'open'") == 0
    assert await count(db, "SELECT count(*) FROM payments_refund WHERE status = 'succeeded'") == paid
    assert simulator_of(stage).charges[second].state is (TradeState.SUCCESS if paid else TradeState.CLOSED)
    assert (await buyer.get(f"/v1/mall/orders/{order_id}")).json()["paid_fen"] == shop.price_fen
    assert await audit(db) == []


async def test_asking_to_pay_again_from_two_phones_opens_one_new_charge(stage: Stage, db: Database, shop: Shop) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    simulator_of(stage).charges[placed["payment"]["charge"]].state = TradeState.CLOSED
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_charge SET prepaid_at = prepaid_at - interval '2 hours'")
    path = f"/v1/mall/orders/{placed['order']['id']}/payment"
    replies = await asyncio.gather(*(buyer.post(path) for _ in range(8)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json()["charge"] for reply in replies}) == 1
    assert await count(db, "SELECT count(*) FROM payments_charge WHERE status = 'open'") == 1
    assert await audit(db) == []


async def test_forty_refunds_at_once_never_exceed_what_was_paid(
    api: httpx.AsyncClient, stage: Stage, db: Database, settings: Settings, drain: Drain, run_jobs: RunJobs
) -> None:
    shop = await open_shop(api, stage, db, settings, price_fen=1_999)
    buyer = await shop.customer()
    placed = await buyer.order()
    await buyer.pay(placed)
    order = placed["order"]
    manager = await shop.staff("hq")

    async def refund(number: int) -> httpx.Response:
        return await manager.post(
            f"/v1/admin/mall/orders/{order['id']}/refunds",
            json={"lines": [{"line": order["lines"][0]["id"], "amount_fen": 300}], "reason": "破损"},
            headers={"Idempotency-Key": f"part-{number}"},
        )

    replies = await asyncio.gather(*(refund(number) for number in range(40)))
    assert Counter(reply.status_code for reply in replies) == {201: 6, 422: 34}
    assert {reply.json()["code"] for reply in replies if reply.status_code == 422} == {"refund_not_sensible"}
    assert await audit(db) == []
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await count(db, "SELECT refunded_fen FROM payments_charge") == 1_800
    assert await refunds_due(db) == 0
    assert sum(one.refund_fen for one in simulator_of(stage).refunds.values()) == 1_800
    assert await audit(db) == []
