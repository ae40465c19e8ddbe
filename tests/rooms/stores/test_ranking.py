"""The ranking: regions inside regions, who may ask for them, page by page."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.ids import parse
from tests.rooms.stores.chain import Chain, Person, a_payment, a_store, breaches, build, made, refunds_of, tell

Drain = Callable[[], Awaitable[int]]
PERFORMANCE = "/v1/admin/stores/performance"


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


async def ranking(api: httpx.AsyncClient, who: Person, by: str, **page: Any) -> dict[str, Any]:
    asked = {"by": by, "period": "day:2026-11-21"} | page
    reply = await api.get(PERFORMANCE, params=asked, headers=who.headers)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


async def a_store_below(api: httpx.AsyncClient, chain: Chain, unit: str, code: str) -> Any:
    store = await made(await api.post("/v1/admin/stores/stores", json=a_store(unit, code), headers=chain.hq.headers))
    return parse("sto", store["id"])


async def test_a_region_holds_what_the_regions_inside_it_sold(
    api: httpx.AsyncClient, db: Database, drain: Drain, chain: Chain
) -> None:
    inner = {"parent": chain.units["north"]["id"], "code": "hangzhou", "name": "hangzhou"}
    city = await made(await api.post("/v1/admin/stores/units", json=inner, headers=chain.hq.headers))
    deep = await a_store_below(api, chain, city["id"], "s900")
    top = await a_store_below(api, chain, chain.units["hq"]["id"], "flagship")
    big = a_payment((10_000, {"store_id": deep}))
    await tell(db, big, a_payment((1_000, {"store_id": parse("sto", chain.stores["s001"]["id"])})))
    await tell(db, a_payment((7, {"store_id": top})), *refunds_of(big, [[400]]))
    await drain()
    north, hangzhou = ("north", 10_600, 2), ("hangzhou", 9_600, 1)
    for who in (chain.hq, chain.people["region.north"]):
        items = (await ranking(api, who, "region"))["items"]
        assert [(item["name"], item["net_fen"], item["orders"]) for item in items] == [north, hangzhou]
    assert (await ranking(api, chain.people["region.south"], "region"))["items"] == []
    assert await breaches(db) == []


@pytest.mark.parametrize("who", ["manager.north", "guide.north"])
async def test_who_reaches_one_store_is_shown_no_region(api: httpx.AsyncClient, chain: Chain, who: str) -> None:
    asked = {"by": "region", "period": "day:2026-11-21"}
    reply = await api.get(PERFORMANCE, params=asked, headers=chain.people[who].headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "regions_out_of_reach")


async def test_a_ranking_goes_on_where_the_page_ended(
    api: httpx.AsyncClient, db: Database, drain: Drain, chain: Chain
) -> None:
    north = chain.units["north"]["id"]
    stores = [await a_store_below(api, chain, north, f"s10{number}") for number in range(5)]
    amounts = [300, 500, 300, 300, 700]
    await tell(db, *(a_payment((fen, {"store_id": store})) for store, fen in zip(stores, amounts, strict=True)))
    await drain()
    seen, after = [], None
    while True:
        page = await ranking(api, chain.hq, "store", limit=2, **({"after": after} if after else {}))
        seen += [item["name"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ["店 s104", "店 s101", "店 s100", "店 s102", "店 s103"], "equals by id, nobody twice"
    params = {"by": "guide", "period": "day:2026-11-21", "after": chain.stores["s001"]["id"]}
    foreign = await api.get(PERFORMANCE, params=params, headers=chain.hq.headers)
    assert (foreign.status_code, foreign.json()["code"]) == (422, "cursor_invalid")
    assert await breaches(db) == []
