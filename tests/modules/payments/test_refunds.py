"""Refunds on their way: held, abnormal, closed, told twice and out of order; owed until they are paid out."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app import payments
from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.core.runtime import Runtime
from app.payments import jobs
from app.payments.errors import RefundExceedsPaid
from app.simulator import refunds as wire_refunds
from app.wechat.schemas import RefundState
from tests import sql
from tests.audit import audit, count, events, refunds_due
from tests.conftest import Drain, Stage
from tests.shop import Shop
from tests.wechat_words import refund_word, simulator_of

RunJobs = Callable[[], Awaitable[None]]


@pytest.fixture
async def agreed(shop: Shop, stage: Stage) -> dict[str, Any]:
    """A refund that was agreed; WeChat will hold it when it comes."""
    buyer, hq = await shop.customer(), await shop.staff("hq")
    placed = await buyer.order(2)
    await buyer.pay(placed)
    order = placed["order"]
    (await stage.simulator.post("/simulator/refunds/hold", json={"hold": True})).raise_for_status()
    reply = await hq.post(
        f"/v1/admin/mall/orders/{order['id']}/refunds",
        json={"lines": [{"line": order["lines"][0]["id"], "quantity": 1}], "reason": "破损"},
        headers={"Idempotency-Key": "r"},
    )
    assert reply.status_code == 201, reply.text
    refund: dict[str, Any] = reply.json()
    return refund


async def decide(stage: Stage, refund: dict[str, Any], state: str) -> None:
    await stage.simulator.post(f"/simulator/refunds/{refund['id']}/outcome", json={"state": state})
    await stage.deliver()


async def states(db: Database, refund: dict[str, Any]) -> tuple[str, str]:
    async with db.transaction() as session:
        key = parse("rfd", refund["id"])
        return (
            await sql.fetchval(session, "SELECT status FROM payments_refund WHERE id = $1", key),
            await sql.fetchval(session, "SELECT status FROM mall_refund WHERE id = $1", key),
        )


async def test_a_refund_is_owed_until_wechat_has_paid_it(
    agreed: dict[str, Any], shop: Shop, stage: Stage, db: Database, drain: Drain, run_jobs: RunJobs
) -> None:
    assert await states(db, agreed) == ("requested", "agreed")
    await run_jobs()
    assert await states(db, agreed) == ("processing", "agreed")
    assert await refunds_due(db) == shop.price_fen
    await decide(stage, agreed, "SUCCESS")
    await drain()
    assert await states(db, agreed) == ("succeeded", "paid")
    assert await refunds_due(db) == 0
    assert await audit(db) == []


@pytest.mark.parametrize("outcome", ["ABNORMAL", "CLOSED"])
async def test_a_stuck_refund_stays_owed_and_visible_until_it_is_paid_another_way(
    agreed: dict[str, Any],
    api: httpx.AsyncClient,
    shop: Shop,
    stage: Stage,
    db: Database,
    drain: Drain,
    run_jobs: RunJobs,
    outcome: str,
) -> None:
    await run_jobs()
    await decide(stage, agreed, outcome)
    await drain()
    assert await states(db, agreed) == (outcome.lower(), "stuck")
    assert await refunds_due(db) == shop.price_fen
    assert await events(db, "payments.refund_stuck") == 1
    assert await audit(db) == []

    word = refund_word(stage, told(stage, agreed, refund_status="SUCCESS"), RefundState.SUCCESS)
    assert (await word.say(api)).status_code == 204
    await drain()
    assert await states(db, agreed) == ("succeeded", "paid")
    assert await refunds_due(db) == 0
    assert await audit(db) == []


def told(stage: Stage, refund: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The refund as a notification shows it, with changes."""
    shown = wire_refunds.view(simulator_of(stage).refunds[refund["id"]])
    del shown["status"]
    return shown | {"mchid": simulator_of(stage).keys.mchid, **changes}


async def test_words_told_twice_and_late_change_nothing(
    agreed: dict[str, Any], stage: Stage, db: Database, runtime: Runtime, drain: Drain, run_jobs: RunJobs
) -> None:
    await run_jobs()
    await decide(stage, agreed, "SUCCESS")
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_refund SET created_at = created_at - interval '1 hour'")
    for _ in range(3):
        await jobs.sweep_refunds(runtime)
        await run_jobs()
        await stage.deliver()
    await drain()
    assert await events(db, "payments.refund_succeeded") == 1
    assert await events(db, "mall.refund_paid") == 1
    assert await count(db, "SELECT count(*) FROM ledger_transfer WHERE kind = 'refund_paid'") == 1
    assert len(simulator_of(stage).refunds) == 1
    assert await audit(db) == []


async def test_the_sweep_finds_a_refund_whose_word_was_lost(
    agreed: dict[str, Any], stage: Stage, db: Database, runtime: Runtime, drain: Drain, run_jobs: RunJobs
) -> None:
    await run_jobs()
    known = simulator_of(stage).refunds[agreed["id"]]
    known.state = RefundState.SUCCESS
    known.succeeded_at = known.created_at
    await jobs.sweep_refunds(runtime)
    assert (await states(db, agreed))[0] == "processing", "it is not a minute old"
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_refund SET created_at = created_at - interval '2 minutes'")
    await jobs.sweep_refunds(runtime)
    await drain()
    assert await states(db, agreed) == ("succeeded", "paid")
    assert await audit(db) == []


@pytest.mark.parametrize("kind", ["error_500", "drop_after", "too_fast", "not_enough"])
async def test_an_unclear_answer_is_asked_again_under_the_same_number(
    agreed: dict[str, Any], stage: Stage, db: Database, runtime: Runtime, drain: Drain, kind: str
) -> None:
    fault = {"path_prefix": "/v3/refund/", "kind": kind, "times": 1}
    (await stage.simulator.post("/simulator/faults", json=fault)).raise_for_status()
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_refund SET created_at = created_at - interval '2 minutes'")
    for _ in range(2):
        await jobs.sweep_refunds(runtime)
    assert list(simulator_of(stage).refunds) == [agreed["id"]]
    await decide(stage, agreed, "SUCCESS")
    await drain()
    assert await states(db, agreed) == ("succeeded", "paid")
    assert await audit(db) == []


async def a_minute_passes(db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_refund SET created_at = created_at - interval '2 minutes'")


async def test_a_refund_that_wechat_does_not_take_waits_for_a_person_and_is_not_sent_again(
    agreed: dict[str, Any],
    api: httpx.AsyncClient,
    shop: Shop,
    stage: Stage,
    db: Database,
    runtime: Runtime,
    drain: Drain,
    run_jobs: RunJobs,
) -> None:
    forgotten = simulator_of(stage).charges
    forgotten.clear()
    await run_jobs()
    await a_minute_passes(db)
    calls_before = len(simulator_of(stage).calls)
    for _ in range(3):
        await jobs.sweep_refunds(runtime)
    assert len(simulator_of(stage).calls) == calls_before
    await drain()
    assert await states(db, agreed) == ("refused", "stuck")
    assert await events(db, "payments.refund_stuck") == 1
    assert await refunds_due(db) == shop.price_fen
    hq = await shop.staff("hq")
    for path, query in (("mall", {"status": "stuck"}), ("payments", {"stuck": "true"})):
        stuck = (await hq.get(f"/v1/admin/{path}/refunds", params=query)).json()["items"]
        assert [refund["id"] for refund in stuck] == [agreed["id"]]
    assert "siyu_refunds_stuck 1.0" in (await api.get("/metrics")).text
    assert await audit(db) == []


async def test_a_refund_that_wechat_took_before_it_refuses_is_what_wechat_says(
    agreed: dict[str, Any], stage: Stage, db: Database, runtime: Runtime, drain: Drain
) -> None:
    """Its reply was lost, and then our own address changed: the number stands at WeChat with other parameters."""
    fault = {"path_prefix": "/v3/refund/", "kind": "drop_after", "times": 1}
    (await stage.simulator.post("/simulator/faults", json=fault)).raise_for_status()
    await a_minute_passes(db)
    await jobs.sweep_refunds(runtime)
    assert (await states(db, agreed))[0] == "requested"
    known = simulator_of(stage).refunds[agreed["id"]]
    known.order["notify_url"] = "https://before.example/refunds"
    known.state, known.succeeded_at = RefundState.SUCCESS, known.created_at
    await jobs.sweep_refunds(runtime)
    await drain()
    assert await states(db, agreed) == ("succeeded", "paid")
    assert await refunds_due(db) == 0
    assert await audit(db) == []


async def test_no_more_than_the_charge_is_ever_asked_back(agreed: dict[str, Any], shop: Shop, db: Database) -> None:
    async with db.transaction() as session:
        charge = await sql.fetchval(session, "SELECT id FROM payments_charge")
    for charge_id, amount_fen in ((charge, shop.price_fen + 1), (new_id(), 1)):
        with pytest.raises(RefundExceedsPaid):
            async with db.transaction() as session:
                await payments.request_refund(
                    session, refund_id=new_id(), charge_id=charge_id, amount_fen=amount_fen, reason="x"
                )
    assert await count(db, "SELECT count(*) FROM payments_refund") == 1
    assert await audit(db) == []


async def test_wechat_takes_fifty_refunds_of_a_payment_and_so_do_we(shop: Shop, stage: Stage, db: Database) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    placed = await buyer.order()
    await buyer.pay(placed)
    path = f"/v1/admin/mall/orders/{placed['order']['id']}/refunds"
    one_fen = {"lines": [{"line": placed["order"]["lines"][0]["id"], "amount_fen": 1}], "reason": "差价"}
    replies = [await hq.post(path, json=one_fen, headers={"Idempotency-Key": f"r{n}"}) for n in range(51)]
    assert [reply.status_code for reply in replies] == [201] * 50 + [409]
    assert (replies[50].json()["code"], replies[50].json()["details"]) == ("refunds_exhausted", {"limit": 50})
    assert (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()["refunded_fen"] == 50
    assert await audit(db) == []


async def test_a_payment_is_refunded_for_a_year(agreed: dict[str, Any], shop: Shop, db: Database) -> None:
    hq = await shop.staff("hq")
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE payments_charge SET paid_at = paid_at - interval '365 days'")
    reply = await hq.post(
        f"/v1/admin/mall/orders/{agreed['order']}/refunds",
        json={"lines": [{"line": agreed["lines"][0]["line"], "quantity": 1}], "reason": "破损"},
        headers={"Idempotency-Key": "late"},
    )
    assert (reply.status_code, reply.json()["code"]) == (409, "refund_too_late")
    assert await count(db, "SELECT count(*) FROM mall_refund") == 1


@pytest.mark.parametrize("change", [{"out_refund_no": wire("rfd", new_id())}, {"out_refund_no": "other"}])
async def test_a_word_about_a_refund_that_is_not_ours_changes_nothing(
    agreed: dict[str, Any], api: httpx.AsyncClient, stage: Stage, db: Database, run_jobs: RunJobs, change: Any
) -> None:
    await run_jobs()
    word = refund_word(stage, told(stage, agreed, refund_status="SUCCESS", **change), RefundState.SUCCESS)
    assert (await word.say(api)).status_code == 204
    assert await states(db, agreed) == ("processing", "agreed")
    assert await audit(db) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"amount": {"total": 2, "refund": 1}}, "refund_amount"),
        ({"mchid": "1600000001"}, "refund_merchant"),
        ({"out_trade_no": wire("chg", new_id())}, "refund_number"),
        ({"amount": {"total": 12_800, "refund": 12_800, "currency": "USD"}}, "refund_currency"),
    ],
)
async def test_a_word_that_is_not_of_what_was_requested_is_put_down_for_finance(
    agreed: dict[str, Any],
    api: httpx.AsyncClient,
    stage: Stage,
    db: Database,
    run_jobs: RunJobs,
    change: Any,
    kind: str,
) -> None:
    await run_jobs()
    word = refund_word(stage, told(stage, agreed, refund_status="SUCCESS", **change), RefundState.SUCCESS)
    assert [(await word.say(api)).status_code for _ in range(2)] == [204, 204]
    assert await states(db, agreed) == ("processing", "agreed")
    assert await count(db, "SELECT count(*) FROM payments_discrepancy WHERE kind = $1", kind) == 1
    assert await count(db, "SELECT count(*) FROM payments_discrepancy") == 1
    assert await audit(db) == []


@pytest.mark.parametrize("amount_fen", [-1, 2**63])
async def test_a_refunded_amount_that_cannot_be_is_no_word_of_wechats(
    agreed: dict[str, Any], api: httpx.AsyncClient, stage: Stage, db: Database, run_jobs: RunJobs, amount_fen: int
) -> None:
    await run_jobs()
    changed = told(stage, agreed, refund_status="SUCCESS", amount={"total": 12_800, "refund": amount_fen})
    assert (await refund_word(stage, changed, RefundState.SUCCESS).say(api)).status_code == 401
    assert await states(db, agreed) == ("processing", "agreed")
