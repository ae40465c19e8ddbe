"""What happens to a charge while WeChat is asked about it: closed, renewed, settled, or its process killed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.core.db import Database
from app.core.errors import Unclear, UpstreamFailed
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.mall.orders import jobs as order_jobs
from app.payments import collecting
from app.payments import jobs as payments_jobs
from app.wechat import TradeState, WechatPay
from tests import sql
from tests.audit import audit, count
from tests.conftest import Drain, Stage
from tests.shop import Person, Shop
from tests.wechat_words import Word, paid_word, pay_in_silence, simulator_of

Meanwhile = Callable[[], Awaitable[object]]


@pytest.fixture
async def buyer(shop: Shop) -> Person:
    return await shop.customer()


def while_asking(patch: pytest.MonkeyPatch, *, before: Meanwhile | None = None, after: Meanwhile | None = None) -> None:
    """Let something happen just before the next prepay reaches WeChat, or just after it answered."""
    ask = WechatPay.prepay
    pending = [before, after]

    async def prepay(self: WechatPay, **request: Any) -> str:
        first, then = pending
        pending[:] = [None, None]
        if first is not None:
            await first()
        answer = await ask(self, **request)
        if then is not None:
            await then()
        return answer

    patch.setattr(WechatPay, "prepay", prepay)


def pay_path(placed: dict[str, Any]) -> str:
    return f"/v1/mall/orders/{placed['order']['id']}/payment"


async def close(buyer: Person, placed: dict[str, Any]) -> httpx.Response:
    path = f"/v1/mall/orders/{placed['order']['id']}/close"
    return await buyer.post(path, headers={"Idempotency-Key": uuid4().hex})


async def is_over(db: Database, since: str) -> None:
    async with db.transaction() as session:
        for table in ("mall_order", "payments_charge"):
            await sql.execute(session, f"UPDATE {table} SET expires_at = clock_timestamp() - interval '{since}'")


async def unknown_at_wechat(stage: Stage, placed: dict[str, Any]) -> None:
    """The request that was to open the charge never arrived."""
    del simulator_of(stage).charges[placed["payment"]["charge"]]


async def open_at_wechat(stage: Stage) -> int:
    return sum(charge.state is TradeState.NOTPAY for charge in simulator_of(stage).charges.values())


async def test_a_number_that_is_opened_after_its_order_was_closed_is_closed_too(
    shop: Shop, stage: Stage, db: Database, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = await buyer.order()
    await unknown_at_wechat(stage, placed)
    while_asking(monkeypatch, before=lambda: close(buyer, placed))
    pressed = await buyer.post(pay_path(placed))
    assert (pressed.status_code, pressed.json()["code"]) == (409, "order_not_payable")
    assert await open_at_wechat(stage) == 0
    assert await audit(db) == []


@pytest.mark.parametrize("paid", [True, False])
async def test_a_number_that_was_opened_by_a_killed_process_is_found_after_its_time(
    shop: Shop,
    stage: Stage,
    db: Database,
    runtime: Runtime,
    drain: Drain,
    buyer: Person,
    monkeypatch: pytest.MonkeyPatch,
    paid: bool,
) -> None:
    class Killed(BaseException):
        pass

    async def kill() -> None:
        raise Killed

    placed = await buyer.order()
    charge = placed["payment"]["charge"]
    await unknown_at_wechat(stage, placed)
    with monkeypatch.context() as patch:
        while_asking(patch, before=lambda: close(buyer, placed), after=kill)
        with pytest.raises(Killed):
            await buyer.post(pay_path(placed))
    assert simulator_of(stage).charges[charge].state is TradeState.NOTPAY
    await payments_jobs.close_charges(runtime)
    assert simulator_of(stage).charges[charge].state is TradeState.NOTPAY, "its time is not over"
    if paid:
        await pay_in_silence(stage, charge)
    await is_over(db, "1 day 1 minute")
    assert ["not asked about a day after" in breach for breach in await audit(db)] == [True]
    await payments_jobs.close_charges(runtime)
    assert simulator_of(stage).charges[charge].state is (TradeState.SUCCESS if paid else TradeState.CLOSED)
    await drain()
    order = (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()
    assert order["status"] == ("paid" if paid else "closed"), "its units are there, so late money buys them"
    assert await count(db, "SELECT count(*) FROM payments_charge WHERE closed_unseen") == 0
    assert await audit(db) == []


async def test_a_number_that_wechat_never_learns_of_is_asked_about_once_more(
    shop: Shop, stage: Stage, db: Database, runtime: Runtime, buyer: Person
) -> None:
    placed = await buyer.order()
    await unknown_at_wechat(stage, placed)
    await is_over(db, "90 seconds")
    await order_jobs.close_expired(runtime)
    calls = len(simulator_of(stage).calls)
    await payments_jobs.close_charges(runtime)
    assert len(simulator_of(stage).calls) == calls, "a request may be on its way yet"
    await is_over(db, "3 minutes")
    for _ in range(2):
        await payments_jobs.close_charges(runtime)
    assert len(simulator_of(stage).calls) == calls + 2, "asked and closed, once"
    assert await audit(db) == []


async def test_a_prepay_id_that_was_given_up_meanwhile_is_not_handed_out(
    shop: Shop, stage: Stage, db: Database, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = await buyer.order()
    close_at_wechat = WechatPay.close

    async def lost(self: WechatPay, number: str) -> bool:
        await close_at_wechat(self, number)
        raise UpstreamFailed(call="close", reason=next(iter(Unclear)))

    async def close_in_vain() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(WechatPay, "close", lost)
            assert (await close(buyer, placed)).json()["code"] == "upstream_failed"

    while_asking(monkeypatch, after=close_in_vain)
    pressed = await buyer.post(pay_path(placed))
    assert pressed.json()["charge"] != placed["payment"]["charge"]
    await buyer.pay({"payment": pressed.json()})
    assert (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()["status"] == "paid"
    assert await audit(db) == []


async def test_a_process_whose_clock_is_behind_opens_one_new_charge(
    shop: Shop, stage: Stage, db: Database, buyer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = await buyer.order()
    simulator_of(stage).charges[placed["payment"]["charge"]].state = TradeState.CLOSED
    monkeypatch.setattr(collecting, "new_id", lambda: UUID(int=new_id().int - (2_000 << 80)))
    pressed = {(await buyer.post(pay_path(placed))).json()["charge"] for _ in range(3)}
    assert len(pressed) == 1
    assert await open_at_wechat(stage) == 1
    assert await audit(db) == []


async def test_one_transaction_that_is_told_for_two_charges_at_once_pays_one(
    api: httpx.AsyncClient, shop: Shop, stage: Stage, db: Database, drain: Drain
) -> None:
    words: list[Word] = []
    for _ in range(2):
        placed = await (await shop.customer()).order()
        transaction = await pay_in_silence(stage, placed["payment"]["charge"])
        words.append(paid_word(stage, transaction | {"transaction_id": "4200000000000000000000000001"}))
    replies = await asyncio.gather(*(word.say(api) for word in words * 4))
    assert sorted(reply.status_code for reply in replies) == [204] * 4 + [400] * 4
    await drain()
    assert await count(db, "SELECT count(*) FROM payments_charge WHERE status = 'settled'") == 1
    assert await count(db, "SELECT count(*) FROM payments_discrepancy WHERE kind = 'transaction'") == 1
    assert await audit(db) == []
