"""Who may tip whom, to whom a tip is owed, and its refund by staff: owed at once, with every part taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import ValidationError

from app.core.db import Database
from app.core.ids import parse
from app.live.errors import TipsOff
from app.live.schemas import TipCreate
from app.live.settings import LiveSettings, TipPayment
from app.live.tips import place
from tests.audit import audit, count, refunds_due
from tests.conftest import Drain, Stage
from tests.modules.live.test_tips import entries, give, pay
from tests.modules.stores.chain import Chain, build
from tests.shop import Shop

RunJobs = Callable[[], Awaitable[None]]
STORE_FIELDS = ("name", "city", "address", "latitude", "longitude", "phone", "status", "version")


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


@pytest.fixture
async def stage_room(chain: Chain, api: httpx.AsyncClient) -> dict[str, Any]:
    """A live room of a guide of the northern store."""
    store = {"store": chain.stores["s001"]["id"], "title": "新茶", "start": True}
    made = await api.post("/v1/admin/live/rooms", json=store, headers=chain.people["guide.north"].headers)
    assert made.status_code == 201, made.text
    room: dict[str, Any] = made.json()
    return room


async def set_legal_entity(api: httpx.AsyncClient, chain: Chain, by: str = "hq") -> httpx.Response:
    store = chain.stores["s001"]
    body = {name: store[name] for name in STORE_FIELDS} | {"is_legal_entity": True}
    headers = chain.hq.headers if by == "hq" else chain.people[by].headers
    return await api.put(f"/v1/admin/stores/stores/{store['id']}", json=body, headers=headers)


async def refund(api: httpx.AsyncClient, headers: dict[str, str], tip: dict[str, Any]) -> httpx.Response:
    return await api.post(
        f"/v1/admin/live/tips/{tip['id']}/refund",
        json={"reason": "未成年人打赏"},
        headers=headers | {"Idempotency-Key": uuid4().hex},
    )


@pytest.mark.parametrize("is_legal_entity", [True, False])
@pytest.mark.parametrize("allotted", [True, False])
async def test_a_refunded_tip_leaves_nothing_with_anybody(
    api: httpx.AsyncClient,
    shop: Shop,
    stage: Stage,
    db: Database,
    drain: Drain,
    run_jobs: RunJobs,
    chain: Chain,
    stage_room: dict[str, Any],
    is_legal_entity: bool,
    allotted: bool,
) -> None:
    if is_legal_entity:
        assert (await set_legal_entity(api, chain)).json()["is_legal_entity"] is True
    tip = await give(await shop.customer("李小红"), stage_room, 1_001)
    await pay(stage, tip)
    host, store = chain.people["guide.north"].key, parse("sto", chain.stores["s001"]["id"])
    if allotted:
        await drain()
        owed = await entries(db, tip)
        assert owed.get(("payee_held", host)) == -501
        assert owed.get(("payee_held", store)) == (-200 if is_legal_entity else None)
        assert owed[("other_income", None)] == (-300 if is_legal_entity else -500)
        assert await audit(db) == []
    agreed = await refund(api, chain.people["manager.north"].headers, tip)
    assert agreed.status_code == 201, agreed.text
    assert (agreed.json()["status"], agreed.json()["refund_reason"]) == ("refunded", "未成年人打赏")
    assert await refunds_due(db) == 1_001
    assert [breach for breach in await audit(db) if "payees" not in breach] == []
    await drain()
    assert {account: fen for account, fen in (await entries(db, tip)).items() if fen} == {}
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await refunds_due(db) == 0
    assert await count(db, "SELECT count(*) FROM payments_refund WHERE status = 'succeeded'") == 1
    assert await audit(db) == []
    again = await refund(api, chain.hq.headers, tip)
    assert (again.status_code, again.json()["code"]) == (409, "tip_not_refundable")
    report = (
        await api.get(f"/v1/admin/live/rooms/{stage_room['id']}/report", headers=chain.people["guide.north"].headers)
    ).json()
    assert [report[f"tips{name}_fen"] for name in ("", "_refunded", "_host", "_store")] == [1_001, 1_001, 0, 0]


async def test_staff_see_the_tips_of_their_rooms_and_refund_those_within_their_reach(
    api: httpx.AsyncClient, shop: Shop, stage: Stage, drain: Drain, chain: Chain, stage_room: dict[str, Any]
) -> None:
    fan = await shop.customer("李小红")
    tip, other = await give(fan, stage_room, 1_001, message="讲得真好"), await give(fan, stage_room, 5)
    await pay(stage, tip)
    path = f"/v1/admin/live/rooms/{stage_room['id']}/tips"
    listed = (await api.get(path, params={"count": "true"}, headers=chain.people["guide.north"].headers)).json()
    assert (listed["count"], [one["id"] for one in listed["items"]]) == (2, [other["id"], tip["id"]])
    unpaid, paid = listed["items"]
    assert (paid["name"], paid["message"], paid["customer"]) == ("李**", "讲得真好", fan.id)
    assert [paid[f"{part}_fen"] for part in ("host", "store", "brand")] == [501, 200, 300]
    assert [unpaid[f"{part}_fen"] for part in ("host", "store", "brand")] == [None] * 3
    only = (await api.get(path, params={"status": "paid"}, headers=chain.hq.headers)).json()["items"]
    assert [one["id"] for one in only] == [tip["id"]]
    assert (await api.get(path, headers=chain.people["manager.south"].headers)).status_code == 404
    for who, expected in (("manager.south", 404), ("guide.north", 403)):
        assert (await refund(api, chain.people[who].headers, tip)).status_code == expected
    early = await refund(api, chain.hq.headers, other)
    assert (early.status_code, early.json()["code"], early.json()["details"]) == (
        *(409, "tip_not_refundable"),
        {"status": "unpaid"},
    )


async def test_a_refund_requested_twice_at_once_is_owed_once(
    api: httpx.AsyncClient,
    shop: Shop,
    stage: Stage,
    db: Database,
    drain: Drain,
    chain: Chain,
    stage_room: dict[str, Any],
) -> None:
    tip = await give(await shop.customer(), stage_room, 1_001)
    await pay(stage, tip)
    replies = await asyncio.gather(*(refund(api, chain.hq.headers, tip) for _ in range(8)))
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * 7
    await drain()
    assert await refunds_due(db) == 1_001
    assert await audit(db) == []


async def test_nobody_tips_themselves_or_a_room_they_never_entered(
    api: httpx.AsyncClient, shop: Shop, db: Database, chain: Chain, stage_room: dict[str, Any]
) -> None:
    host, own = chain.people["guide.north"], await shop.customer()
    row = (await api.get(f"/v1/admin/stores/staff/{host.id}", headers=chain.hq.headers)).json()
    body = {name: row[name] for name in ("role", "name", "status", "version", "store")} | {"customer": own.id}
    linked = await api.put(f"/v1/admin/stores/staff/{host.id}", json=body, headers=chain.hq.headers)
    assert linked.status_code == 200, linked.text
    path, key = f"/v1/live/rooms/{stage_room['id']}/tips", {"Idempotency-Key": "t"}
    stranger = await shop.customer()
    from_outside = await stranger.post(path, json={"amount_fen": 100}, headers=key)
    assert (from_outside.status_code, from_outside.json()["code"]) == (409, "not_in_room")
    await own.post(f"/v1/live/rooms/{stage_room['id']}/tickets")
    to_oneself = await own.post(path, json={"amount_fen": 100}, headers=key)
    assert (to_oneself.status_code, to_oneself.json()["code"]) == (403, "own_tip")
    assert await count(db, "SELECT count(*) FROM live_tip") == 0


async def test_headquarters_alone_says_that_a_store_can_be_owed_money(api: httpx.AsyncClient, chain: Chain) -> None:
    refused = await set_legal_entity(api, chain, "region.north")
    assert (refused.status_code, refused.json()["code"]) == (403, "legal_entity_not_grantable")
    made = (await set_legal_entity(api, chain)).json()
    body = {name: made[name] for name in STORE_FIELDS}
    path = f"/v1/admin/stores/stores/{made['id']}"
    kept = await api.put(path, json=body, headers=chain.people["region.north"].headers)
    assert kept.json()["is_legal_entity"] is True, "left out, it stays"


async def test_tips_can_be_off(api: httpx.AsyncClient, shop: Shop, db: Database, stage_room: dict[str, Any]) -> None:
    fan = await shop.customer()
    off = shop.settings.with_modules(LiveSettings(tips=TipPayment.OFF))
    with pytest.raises(TipsOff):
        async with db.transaction() as session:
            await place(
                session,
                off,
                tip_id=uuid4(),
                customer_id=parse("cus", fan.id),
                room_id=parse("rom", stage_room["id"]),
                request=TipCreate(amount_fen=100),
            )


def test_production_takes_tips_as_ordinary_payments_only_for_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIYU_ENVIRONMENT", "production")
    with pytest.raises(ValidationError, match="tips_jsapi_reason"):
        LiveSettings(_env_file=None)
    monkeypatch.setenv("SIYU_LIVE_TIPS", "off")
    assert LiveSettings(_env_file=None).tips is TipPayment.OFF
    monkeypatch.setenv("SIYU_LIVE_TIPS", "jsapi")
    monkeypatch.setenv("SIYU_LIVE_TIPS_JSAPI_REASON", "Approved by legal on 2026-11-20")
    assert LiveSettings(_env_file=None).tips is TipPayment.JSAPI
