"""Unpaid orders: paid anew, given up, closed by the sweep; and money that lands meanwhile."""

import pytest

from app import customers, payments
from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.mall.orders import flows, jobs, lock
from app.mall.orders.payment import COLLECTOR
from app.mall.orders.schemas import CloseReason
from app.payments import Charge
from app.payments import flows as payment_flows
from app.wechat import TradeState
from tests import sql
from tests.audit import audit, count, events
from tests.conftest import Drain, Stage
from tests.overlap import beside, queues, waits
from tests.shop import Shop
from tests.wechat_words import pay_in_silence, simulator_of


async def test_no_payment_is_prepared_once_the_time_is_over(shop: Shop, stage: Stage, db: Database) -> None:
    buyer = await shop.customer()
    order = (await buyer.order())["order"]
    calls_before = len(simulator_of(stage).calls)
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE mall_order SET expires_at = clock_timestamp() - interval '1 second'")
    late = await buyer.post(f"/v1/mall/orders/{order['id']}/payment")
    assert (late.status_code, late.json()["code"]) == (409, "order_not_payable")
    assert len(simulator_of(stage).calls) == calls_before


async def test_a_new_charge_closes_the_old_one_at_wechat(shop: Shop, stage: Stage, db: Database) -> None:
    """Our address changed since, so WeChat takes the old number no more at prepay; it could still be paid."""
    buyer = await shop.customer()
    placed = await buyer.order()
    old, path = placed["payment"]["charge"], f"/v1/mall/orders/{placed['order']['id']}"
    simulator_of(stage).charges[old].order["notify_url"] = "https://before.example/notify"
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_charge SET prepaid_at = prepaid_at - interval '2 hours'")
    new = (await buyer.post(f"{path}/payment")).json()["charge"]
    assert new != old
    assert simulator_of(stage).charges[old].state is TradeState.CLOSED
    await buyer.pay({"payment": {"charge": new}})
    assert (await buyer.get(path)).json()["status"] == "paid"
    assert await audit(db) == []


async def test_a_new_charge_ends_with_its_order(shop: Shop, stage: Stage, db: Database) -> None:
    """WeChat takes no charge for less than a minute; what is shown counts down to the order's own end."""
    buyer = await shop.customer()
    placed = await buyer.order()
    simulator_of(stage).charges[placed["payment"]["charge"]].state = TradeState.CLOSED
    async with db.transaction() as session:
        for table in ("mall_order", "payments_charge"):
            soon = "expires_at = clock_timestamp() + interval '20 seconds'"
            await sql.execute(session, f"UPDATE {table} SET {soon}")
    path = f"/v1/mall/orders/{placed['order']['id']}"
    payments = [(await buyer.post(f"{path}/payment")).json() for _ in range(3)]
    assert {payment["charge"] for payment in payments} == {payments[0]["charge"]} != {placed["payment"]["charge"]}
    assert payments[0]["expires_at"] == (await buyer.get(path)).json()["expires_at"]
    assert await audit(db) == []


async def test_giving_up_an_order_frees_its_units_once(shop: Shop, db: Database, drain: Drain) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(4)
    path = f"/v1/mall/orders/{placed['order']['id']}"
    closed = [await buyer.post(f"{path}/close", headers={"Idempotency-Key": "c"}) for _ in range(2)]
    assert [reply.json()["status"] for reply in closed] == ["closed"] * 2
    assert closed[0].content == closed[1].content
    assert (await buyer.post(f"{path}/close", headers={"Idempotency-Key": "d"})).json()["code"] == "order_not_closable"
    assert (await buyer.post(f"{path}/payment")).json()["code"] == "order_not_payable"
    assert await count(db, "SELECT reserved FROM mall_stock") == 0
    assert await events(db, "mall.order_closed") == 1
    await drain()
    assert await audit(db) == []


async def test_giving_up_an_order_that_was_just_paid_keeps_it_paid(shop: Shop, stage: Stage, db: Database) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    await pay_in_silence(stage, placed["payment"]["charge"])
    path = f"/v1/mall/orders/{placed['order']['id']}"
    reply = await buyer.post(f"{path}/close", headers={"Idempotency-Key": "c"})
    assert (reply.status_code, reply.json()["status"]) == (200, "paid")
    assert await audit(db) == []


async def test_a_closing_that_was_killed_half_way_leaves_no_dead_charge_to_pay(
    shop: Shop, stage: Stage, runtime: Runtime, db: Database
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    dead, path = placed["payment"]["charge"], f"/v1/mall/orders/{placed['order']['id']}"
    assert (await buyer.post(f"{path}/payment")).json()["charge"] == dead, "its prepay id is kept for the next press"
    async with db.transaction() as session:
        charge = await payments.charge_with(session, parse("chg", dead))
    assert await payment_flows.close_at_wechat(runtime, charge) is None, (
        "closed at WeChat, and then the process was killed"
    )
    again = (await buyer.post(f"{path}/payment")).json()
    assert again["charge"] != dead
    await buyer.pay({"payment": again})
    assert (await buyer.get(path)).json()["status"] == "paid"
    assert await count(db, "SELECT count(*) FROM payments_charge WHERE status = 'open'") == 0
    assert await audit(db) == []


@pytest.mark.parametrize("presses", [1, 2])
async def test_closing_an_order_while_somebody_presses_pay(
    shop: Shop, stage: Stage, db: Database, settings: Settings, presses: int
) -> None:
    """Each press opens another charge after WeChat has closed all that were known and before the order is closed."""
    buyer = await shop.customer()
    placed = await buyer.order()
    order_id, path = parse("ord", placed["order"]["id"]), f"/v1/mall/orders/{placed['order']['id']}"
    closing = beside(buyer.post(f"{path}/close", headers={"Idempotency-Key": "c"}))

    async def press(more: int) -> Charge:
        """Open another charge while the closing waits for the order; the next press waits its turn already."""
        async with db.transaction() as session:
            order = await lock(session, order_id)
            assert await waits(session, closing)
            behind = beside(press(more - 1)) if more else None
            if behind is not None:
                assert await queues(session, behind, places=2)
            charge = COLLECTOR.open(
                session,
                settings,
                charge_id=new_id(),
                subject_id=order_id,
                book=order.row.book,
                payer_openid=await customers.openid_of(session, order.row.customer_id, settings.wechat_appid),
                amount_fen=order.row.payable_fen,
                expires_at=order.row.expires_at,
            )
        return charge if behind is None else await behind

    charge = await press(presses - 1)
    reply = await closing
    if presses == 2:
        assert (reply.status_code, reply.json()["code"]) == (409, "order_being_paid")
        reply = await buyer.post(f"{path}/close", headers={"Idempotency-Key": "c"})
    assert (reply.status_code, reply.json()["status"]) == (200, "closed")
    assert "Idempotency-Replayed" not in reply.headers
    closed_at_wechat = {call.out_trade_no for call in simulator_of(stage).calls if call.path.endswith("/close")}
    assert wire("chg", charge.id) in closed_at_wechat
    assert await audit(db) == []


async def test_the_sweep_closes_what_was_not_paid_in_time(
    shop: Shop, runtime: Runtime, db: Database, drain: Drain
) -> None:
    buyer = await shop.customer()
    late, fresh = [(await buyer.order())["order"]["id"] for _ in range(2)]
    async with db.transaction() as session:
        await sql.execute(
            session,
            "UPDATE mall_order SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $1",
            parse("ord", late),
        )
    await jobs.close_expired(runtime)
    await jobs.close_expired(runtime)
    orders = {one["id"]: one for one in (await buyer.get("/v1/mall/orders")).json()["items"]}
    assert (orders[late]["status"], orders[late]["close_reason"]) == ("closed", "timeout")
    assert orders[fresh]["status"] == "unpaid"
    assert [one["id"] for one in (await buyer.get("/v1/mall/orders", params={"status": "closed"})).json()["items"]] == [
        late
    ]
    await drain()
    assert await audit(db) == []


async def test_the_sweep_leaves_alone_what_wechat_cannot_answer_for(
    shop: Shop, stage: Stage, runtime: Runtime, db: Database
) -> None:
    buyer = await shop.customer()
    await buyer.order()
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE mall_order SET expires_at = clock_timestamp() - interval '1 second'")
    fault = {"path_prefix": "/v3/pay/", "kind": "error_500", "times": 3}
    (await stage.simulator.post("/simulator/faults", json=fault)).raise_for_status()
    await jobs.close_expired(runtime)
    assert await count(db, "SELECT count(*) FROM mall_order WHERE status = 'unpaid'") == 1
    await stage.simulator.delete("/simulator/faults")
    await jobs.close_expired(runtime)
    assert await count(db, "SELECT count(*) FROM mall_order WHERE status = 'closed'") == 1
    assert await audit(db) == []


async def test_nothing_is_closed_while_wechat_has_the_money_and_does_not_show_it(
    shop: Shop, stage: Stage, runtime: Runtime, db: Database, drain: Drain
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(2)
    await pay_in_silence(stage, placed["payment"]["charge"], stale_queries=4)
    path = f"/v1/mall/orders/{placed['order']['id']}"
    refused = await buyer.post(f"{path}/close", headers={"Idempotency-Key": "c"})
    assert (refused.status_code, refused.json()["code"]) == (502, "upstream_failed")
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE mall_order SET expires_at = clock_timestamp() - interval '1 second'")
    await jobs.close_expired(runtime)
    assert (await buyer.get(path)).json()["status"] == "unpaid"
    await jobs.close_expired(runtime)
    assert (await buyer.get(path)).json()["status"] == "paid"
    await drain()
    assert await audit(db) == []


async def test_a_payment_between_asking_and_closing_is_found_by_asking_again(
    shop: Shop, stage: Stage, runtime: Runtime, db: Database, drain: Drain
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(2)
    await pay_in_silence(stage, placed["payment"]["charge"], stale_queries=1)
    assert not await flows.close_order(runtime, parse("ord", placed["order"]["id"]), reason=CloseReason.TIMEOUT)
    assert (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()["status"] == "paid"
    await drain()
    assert await audit(db) == []
