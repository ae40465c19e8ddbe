"""Tips: paid once whatever arrives how often, refunded when too late, divided to the fen, announced after the commit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.live import jobs, tips
from app.live.rules import tip_parts
from app.wechat import TradeState
from tests import sql
from tests.audit import audit
from tests.conftest import Drain, Stage
from tests.modules.live.conftest import audited, told
from tests.shop import Person, Shop
from tests.wechat_words import simulator_of


async def give(person: Person, room: dict[str, Any], fen: int = 1_001, *, key: str | None = None, **more: Any) -> Any:
    await person.post(f"/v1/live/rooms/{room['id']}/tickets")
    answer = await person.post(
        f"/v1/live/rooms/{room['id']}/tips",
        json={"amount_fen": fen, **more},
        headers={"Idempotency-Key": key or uuid4().hex},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


async def pay(stage: Stage, tip: dict[str, Any], **how: Any) -> None:
    answer = await stage.simulator.post(f"/simulator/charges/{tip['payment']['charge']}/pay", json=how)
    answer.raise_for_status()
    await stage.deliver()


async def status_of(db: Database, tip: dict[str, Any]) -> str:
    async with db.transaction() as session:
        status: str = await sql.fetchval(session, "SELECT status FROM live_tip WHERE id = $1", parse("tip", tip["id"]))
    return status


async def expire(db: Database, tip: dict[str, Any]) -> None:
    async with db.transaction() as session:
        await sql.execute(
            session,
            "UPDATE live_tip SET expires_at = clock_timestamp() - interval '1 second' WHERE id = $1",
            parse("tip", tip["id"]),
        )


async def entries(db: Database, tip: dict[str, Any]) -> dict[tuple[str, UUID | None], int]:
    async with db.transaction() as session:
        rows = await sql.fetch(
            session,
            "SELECT account, owner, sum(amount_fen)::bigint AS fen FROM ledger_entry WHERE subject = $1 GROUP BY 1, 2",
            parse("tip", tip["id"]),
        )
    return {(row["account"], row["owner"]): row["fen"] for row in rows}


async def test_ten_notifications_pay_a_tip_once_and_its_parts_sum(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database, drain: Drain, host: Person, redis: Redis
) -> None:
    fan = await shop.customer("李小红")
    tip = await give(fan, room, 1_001, message="讲得好")
    assert tip["status"] == "unpaid"
    assert set(tip["payment"]["wechat_pay"]) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    await pay(stage, tip, repeat=10)
    assert await status_of(db, tip) == "paid"
    assert "tip.paid" not in [event["type"] for event in await told(redis, room)], "heard after the commit, by the log"
    await drain()
    heard = [event for event in await told(redis, room) if event["type"] == "tip.paid"]
    assert [(event["name"], event["message"]) for event in heard] == [("李**", "讲得好")]
    assert "1001" not in str(heard), "nobody's spending is shown"
    assert await entries(db, tip) == {
        ("tips_unallotted", None): 0,
        ("payee_held", parse("stf", host.id)): -501,
        ("other_income", None): -500,
    }, "the store is no legal entity: its part stays with the brand"
    report = (await host.get(f"/v1/admin/live/rooms/{room['id']}/report")).json()
    assert (report["tips"], report["tips_fen"]) == (1, 1_001)
    assert [report[f"tips_{part}_fen"] for part in ("host", "store", "refunded")] == [501, 200, 0]
    assert await audit(db) == []


async def test_a_forged_notification_is_refused_and_writes_nothing(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database
) -> None:
    fan = await shop.customer()
    tip = await give(fan, room)
    callback = f"/v1/payments/{shop.settings.wechat_mchid}/transactions/notify"
    refused = await shop.api.post(callback, content=b"{}", headers={"Wechatpay-Signature": "x"})
    assert refused.status_code == 401
    assert refused.json()["code"] == "FAIL"
    assert await status_of(db, tip) == "unpaid"
    await pay(stage, tip, forge=3)
    assert await status_of(db, tip) == "paid"
    calls = (await stage.simulator.get("/simulator/calls")).json()["items"]
    assert {call["status"] for call in calls if call["forged"]} == {401}


async def test_another_amount_pays_no_tip(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database, drain: Drain, redis: Redis
) -> None:
    tip = await give(await shop.customer(), room, 5_000)
    await pay(stage, tip, amount_fen=1)
    assert await status_of(db, tip) == "unpaid"
    await drain()
    assert "tip.paid" not in [event["type"] for event in await told(redis, room)]


async def test_one_key_makes_one_tip(shop: Shop, room: dict[str, Any], db: Database) -> None:
    fan = await shop.customer()
    answers = await asyncio.gather(*(give(fan, room, 700, key="same") for _ in range(10)))
    assert len({answer["id"] for answer in answers}) == 1
    assert all(answer == answers[0] for answer in answers)
    other = await fan.post(
        f"/v1/live/rooms/{room['id']}/tips", json={"amount_fen": 701}, headers={"Idempotency-Key": "same"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    async with db.transaction() as session:
        assert await sql.fetchval(session, "SELECT count(*) FROM live_tip") == 1


async def test_i_paid_asks_wechat_and_settles(shop: Shop, room: dict[str, Any], stage: Stage, db: Database) -> None:
    fan, stranger = await shop.customer(), await shop.customer()
    tip = await give(fan, room)
    path = f"/v1/live/tips/{tip['id']}/confirmation"
    assert (await fan.post(path)).json()["status"] == "unpaid"
    await pay(stage, tip, notify=False)
    assert (await stranger.post(path)).status_code == 404
    for _ in range(2):
        confirmed = (await fan.post(path)).json()
        assert (confirmed["status"], confirmed["payment"]) == ("paid", None)
    assert await audit(db) == []


async def test_an_unpaid_tip_is_closed_and_late_money_goes_back_by_itself(
    shop: Shop,
    room: dict[str, Any],
    stage: Stage,
    db: Database,
    runtime: Runtime,
    drain: Drain,
    redis: Redis,
    run_jobs: Callable[[], Awaitable[None]],
    settings: Settings,
) -> None:
    fan = await shop.customer()
    tip = await give(fan, room, 2_000)
    await expire(db, tip)
    # The money lands at WeChat, we have closed the tip before we hear of it.
    await pay(stage, tip, notify=False)
    async with db.transaction() as session:
        charge_id = parse("chg", tip["payment"]["charge"])
        assert await tips.close(session, parse("tip", tip["id"]), closed_at_wechat=frozenset([charge_id]))
    path = f"/v1/live/tips/{tip['id']}/confirmation"
    for _ in range(3):
        assert (await fan.post(path)).json()["status"] == "refunded"
    await run_jobs()
    await stage.deliver()
    await drain()
    assert "tip.paid" not in [event["type"] for event in await told(redis, room)]
    async with db.transaction() as session:
        refunds = await sql.fetch(session, "SELECT status, amount_fen FROM payments_refund")
        due = await sql.fetchval(
            session, "SELECT coalesce(sum(amount_fen), 0) FROM ledger_entry WHERE account = 'refunds_due'"
        )
    assert [(row["status"], row["amount_fen"]) for row in refunds] == [("succeeded", 2_000)]
    assert due == 0
    assert await audit(db) == []


async def test_the_sweep_closes_at_wechat_first_and_settles_what_was_paid(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database, runtime: Runtime
) -> None:
    fan = await shop.customer()
    paid, unpaid, young = [await give(fan, room, fen) for fen in (100, 200, 300)]
    await pay(stage, paid, notify=False)
    for tip in (paid, unpaid):
        await expire(db, tip)
    await jobs.close_expired(runtime)
    assert [await status_of(db, tip) for tip in (paid, unpaid, young)] == ["paid", "closed", "unpaid"]
    refused = await stage.simulator.post(f"/simulator/charges/{unpaid['payment']['charge']}/pay")
    assert refused.status_code == 409, "WeChat takes no money for a closed tip"
    await jobs.close_expired(runtime)
    assert await audit(db) == []


async def test_a_tip_whose_payment_does_not_fit_is_closed_in_time(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database, runtime: Runtime
) -> None:
    tip = await give(await shop.customer(), room, 5_000)
    await pay(stage, tip, amount_fen=1)
    await expire(db, tip)
    await jobs.close_expired(runtime)
    assert await status_of(db, tip) == "closed"
    assert await audit(db) == []


async def test_tips_are_for_live_rooms_and_bounded(shop: Shop, room: dict[str, Any], host: Person) -> None:
    fan, path = await shop.customer(), f"/v1/live/rooms/{room['id']}/tips"
    for body, status, code in (
        ({"amount_fen": 0}, 422, "validation_failed"),
        ({"amount_fen": 1, "message": "x" * 61}, 422, "validation_failed"),
        ({"amount_fen": 1, "rank": 1}, 422, "validation_failed"),
        ({"amount_fen": 200_001}, 422, "tip_too_large"),
    ):
        answer = await fan.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert (await fan.post(path, json={"amount_fen": 1})).status_code == 422, "the key is required"
    await host.post(f"/v1/admin/live/rooms/{room['id']}/end")
    late = await fan.post(path, json={"amount_fen": 1}, headers={"Idempotency-Key": "late"})
    assert (late.status_code, late.json()["code"]) == (409, "room_not_live")
    assert wire("rom", parse("rom", room["id"])) == room["id"]


async def test_a_muted_viewer_does_not_speak_by_a_tip(
    shop: Shop, room: dict[str, Any], host: Person, stage: Stage, drain: Drain, redis: Redis
) -> None:
    loud, polite = await shop.customer("Loud"), await shop.customer("Polite")
    until = {"customer": loud.id, "until": "2099-01-01T00:00:00Z"}
    for person in (loud, polite):
        await pay(stage, await give(person, room, message="before"))
    await drain()
    muted = await host.post(f"/v1/admin/live/rooms/{room['id']}/mutes", json=until)
    assert muted.status_code == 201
    for person in (loud, polite):
        await pay(stage, await give(person, room, message="after"))
    await drain()
    said = [(event["name"], event["message"]) for event in await told(redis, room) if event["type"] == "tip.paid"]
    assert said == [("L**", "before"), ("P**", "before"), ("L**", None), ("P**", "after")]


async def test_the_audit_finds_a_tip_that_was_tampered_with(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database, drain: Drain
) -> None:
    tip = await give(await shop.customer(), room, 900)
    await pay(stage, tip)
    await drain()
    assert await audit(db) == []
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE live_tip SET amount_fen = 901, brand_fen = brand_fen + 1")
    assert sorted(breach.split(" ", 2)[2].split(",")[0] for breach in await audited(db)) == [
        "asks for (900",
        f"brought 901 by {parse('chg', tip['payment']['charge'])}",
        f"is ({parse('rom', room['id'])}",
        "is paid with 901",
    ]


async def test_the_audit_finds_an_allotment_to_somebody_else(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database, drain: Drain, host: Person
) -> None:
    tip = await give(await shop.customer(), room, 1_000)
    await pay(stage, tip)
    await drain()
    async with db.transaction() as session:
        await sql.execute(session, "ALTER TABLE ledger_entry DISABLE TRIGGER USER")  # entries are append-only
        await sql.execute(
            session,
            "UPDATE ledger_entry SET owner = $1 WHERE account = 'payee_held' AND owner = $2",
            new_id(),
            parse("stf", host.id),
        )
    breaches = [breach for breach in await audited(db) if " posted " in breach]
    assert len(breaches) == 2, "what the host lacks, and what somebody else has"
    assert all("500" in breach for breach in breaches)


async def test_a_tip_paid_by_its_second_charge_names_it_and_later_money_goes_back(
    shop: Shop,
    room: dict[str, Any],
    stage: Stage,
    db: Database,
    drain: Drain,
    run_jobs: Callable[[], Awaitable[None]],
) -> None:
    fan = await shop.customer()
    tip = await give(fan, room, 1_000)
    first = simulator_of(stage).charges[tip["payment"]["charge"]]
    first.state = TradeState.CLOSED
    async with db.transaction() as session:  # its prepay id is two hours old, so WeChat is asked again
        await sql.execute(session, "UPDATE payments_charge SET prepaid_at = prepaid_at - interval '2 hours'")
    again = (await fan.post(f"/v1/live/tips/{tip['id']}/payment")).json()
    assert again["charge"] != tip["payment"]["charge"]
    await pay(stage, {"payment": again})
    first.state = TradeState.NOTPAY  # WeChat had not finished closing it after all
    await pay(stage, tip)
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await status_of(db, tip) == "paid"
    async with db.transaction() as session:
        charge_id = await sql.fetchval(session, "SELECT charge_id FROM live_tip")
        refunded = await sql.fetchval(session, "SELECT charge_id FROM payments_refund WHERE status = 'succeeded'")
    assert (charge_id, refunded) == (parse("chg", again["charge"]), parse("chg", tip["payment"]["charge"]))
    listed = (await (await shop.staff("hq")).get("/v1/admin/payments/refunds")).json()["items"]
    assert [(one["kind"], one["subject"]) for one in listed] == [("second", tip["id"])]
    assert await audit(db) == []


@given(
    st.integers(min_value=1, max_value=5_000_000),
    st.integers(min_value=0, max_value=10_000),
    st.integers(min_value=0, max_value=10_000),
)
def test_the_parts_of_a_tip_always_sum_to_it(amount_fen: int, host_bps: int, other_bps: int) -> None:
    store_bps = min(other_bps, 10_000 - host_bps)
    parts = tip_parts(amount_fen, host_bps=host_bps, store_bps=store_bps)
    assert parts.host_fen + parts.store_fen + parts.brand_fen == amount_fen
    assert min(parts.host_fen, parts.store_fen, parts.brand_fen) >= 0
    assert abs(parts.host_fen * 10_000 - amount_fen * host_bps) < 10_000


@pytest.mark.parametrize("amount_fen", [1, 2, 3])
def test_a_tip_of_a_few_fen_is_divided_too(amount_fen: int) -> None:
    parts = tip_parts(amount_fen, host_bps=5_000, store_bps=2_000)
    assert parts.host_fen + parts.store_fen + parts.brand_fen == amount_fen
