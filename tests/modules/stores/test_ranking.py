"""The ranking: what the entries say, regions inside regions, who sees them, page by page."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.core.db import Database
from app.core.ids import new_id, parse
from app.stores.rules import read_period
from tests import sql
from tests.modules.stores.chain import Chain, Person, a_payment, a_store, breaches, build, made, refunds_of, tell

Drain = Callable[[], Awaitable[int]]
PERFORMANCE = "/v1/admin/stores/performance"
FIGURES = ("sales_fen", "refunds_fen", "net_fen", "orders")


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


async def ranking(api: httpx.AsyncClient, who: Person, by: str, **page: Any) -> dict[str, Any]:
    query = {"by": by, "period": "day:2026-11-21"} | page
    reply = await api.get(PERFORMANCE, params=query, headers=who.headers)
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
async def test_staff_who_reach_one_store_are_shown_no_region(api: httpx.AsyncClient, chain: Chain, who: str) -> None:
    query = {"by": "region", "period": "day:2026-11-21"}
    reply = await api.get(PERFORMANCE, params=query, headers=chain.people[who].headers)
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
        page = await ranking(api, chain.hq, "store", limit=2, count="true", **({"after": after} if after else {}))
        assert page["count"] == 5
        seen += [item["name"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ["店 s104", "店 s101", "店 s100", "店 s102", "店 s103"], "equals by id, nobody twice"
    params = {"by": "guide", "period": "day:2026-11-21", "after": chain.stores["s001"]["id"]}
    foreign = await api.get(PERFORMANCE, params=params, headers=chain.hq.headers)
    assert (foreign.status_code, foreign.json()["code"]) == (422, "cursor_invalid")
    assert await breaches(db) == []


@pytest.mark.parametrize("by", ["store", "region", "guide"])
async def test_every_page_of_a_ranking_shows_the_moment_of_the_first(
    api: httpx.AsyncClient, db: Database, drain: Drain, chain: Chain, by: str
) -> None:
    async def sell(*sales: tuple[str, str, int], back_fen: int = 0) -> None:
        for code, login, fen in sales:
            credit = {"store_id": parse("sto", chain.stores[code]["id"]), "guide_id": chain.people[login].key}
            order = a_payment((fen, credit), paid_at=datetime(2026, 11, 21, 4, tzinfo=UTC))
            await tell(db, order, *(refunds_of(order, [[back_fen]]) if back_fen else []))
        await drain()

    await sell(("s001", "guide.north", 1_000), ("s001", "manager.north", 900), ("s002", "guide.south", 500))
    whole = await ranking(api, chain.hq, by, count="true")
    page = await ranking(api, chain.hq, by, limit=1)
    seen = page["items"]
    while page["next"] is not None:
        # The last becomes the first, the first sells and takes back, and somebody new comes in.
        await sell(("s002", "guide.south", 7_000))
        await sell(("s001", "guide.north", 2_000), ("s002", "manager.south", 600), back_fen=300)
        page = await ranking(api, chain.hq, by, limit=1, count="true", after=page["next"])
        assert page["count"] == whole["count"]
        seen += page["items"]
    assert seen == whole["items"]
    now = await ranking(api, chain.hq, by)
    assert now["items"] != whole["items"]
    assert await breaches(db) == []


@pytest.mark.parametrize("cursor", ["{id}", "{id}.", "{id}.x", "{id}.-1", "{id}.1.1", "{id}.1234567890123456789", ".1"])
async def test_a_cursor_without_its_moment_is_refused(api: httpx.AsyncClient, chain: Chain, cursor: str) -> None:
    after = cursor.format(id=chain.stores["s001"]["id"])
    query = {"by": "store", "period": "day:2026-11-21", "after": after}
    reply = await api.get(PERFORMANCE, params=query, headers=chain.hq.headers)
    assert (reply.status_code, reply.json()["code"]) == (422, "cursor_invalid")


FROM_ENTRIES = {
    "guide": """SELECT g.name, {sums} JOIN stores_staff g ON g.id = p.guide_id
                WHERE p.role = 'guide' AND {within} GROUP BY g.id""",
    "store": """SELECT s.name, {sums} JOIN stores_store s ON s.id = p.store_id
                WHERE p.role = 'store' AND {within} GROUP BY s.id""",
    "region": """SELECT u.name, {sums} JOIN stores_unit u ON u.kind = 'region' AND starts_with(p.scope_path, u.path)
                 WHERE starts_with(u.path, $3) AND {within} GROUP BY u.id""",
}
SUMS = """coalesce(sum(p.amount_fen) FILTER (WHERE p.kind = 'sale'), 0)::bigint AS sales_fen,
          coalesce(-sum(p.amount_fen) FILTER (WHERE p.kind = 'refund'), 0)::bigint AS refunds_fen,
          sum(p.amount_fen)::bigint AS net_fen, count(DISTINCT p.order_id) FILTER (WHERE p.kind = 'sale') AS orders
          FROM stores_performance p"""
WITHIN = "p.business_at >= $1 AND p.business_at < $2 AND starts_with(p.scope_path, $3)"


async def from_entries(db: Database, by: str, period: str, scope_path: str) -> list[tuple[Any, ...]]:
    """The ranking as the entries themselves say it."""
    read = read_period(period)
    async with db.transaction() as session:
        query = FROM_ENTRIES[by].format(sums=SUMS, within=WITHIN)
        return sorted(tuple(row) for row in await sql.fetch(session, query, read.from_at, read.to_at, scope_path))


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_rankings_are_what_the_entries_say(
    api: httpx.AsyncClient, db: Database, drain: Drain, chain: Chain, data: st.DataObject
) -> None:
    stores = [parse("sto", chain.stores[code]["id"]) for code in ("s001", "s002")]
    guides = [chain.people[login].key for login in ("guide.north", "guide.south", "manager.north")]
    parties = st.fixed_dictionaries({"store_id": st.sampled_from([*stores, new_id()])}) | st.fixed_dictionaries(
        {"store_id": st.sampled_from(stores), "guide_id": st.sampled_from([*guides, new_id()])}
    )
    lines = st.lists(st.tuples(st.integers(0, 5_000), parties), min_size=1, max_size=4)
    # Around the end of a China day and of a month.
    moments = st.integers(-3, 3).map(lambda hours: datetime(2026, 11, 30, 16, tzinfo=UTC) + timedelta(hours=hours))
    for number in range(data.draw(st.integers(1, 6))):
        order = a_payment(*data.draw(lines), paid_at=data.draw(moments), scope_path=f"/hq/north/p{number}/")
        steps = [[data.draw(st.integers(0, line.goods_paid_fen)) for line in order.lines]]
        await tell(db, order, *refunds_of(order, steps, agreed_at=data.draw(moments)))
        if data.draw(st.booleans()):
            await drain()
    await drain()
    assert await breaches(db) == []
    for who in (chain.hq, *chain.people.values()):
        account = (await api.get("/v1/admin/me", headers=who.headers)).json()
        for by in ("guide", "store", *(["region"] if account["role"] in ("region", "hq") else [])):
            for period in ("day:2026-11-30", "day:2026-12-01", "month:2026-11", "month:2026-12", "week:2026-W49"):
                shown = (await ranking(api, who, by, period=period))["items"]
                figures = [tuple(one[name] for name in ("name", *FIGURES)) for one in shown]
                assert sorted(figures) == await from_entries(db, by, period, account["scope_path"])
                assert [one["net_fen"] for one in shown] == sorted((one["net_fen"] for one in shown), reverse=True)
