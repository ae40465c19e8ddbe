"""The ranking: what the entries say, regions inside regions, who sees them, page by page."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

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
PERFORMANCE, RULES = "/v1/admin/stores/performance", "/v1/admin/stores/split-rules"


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


OF_GUIDES = ("credited", "own_part")
MEASURES = {
    "credited": "net_fen",
    "own_part": "own_part_fen",
    "guides_part": "guides_part_fen",
    "fulfilled": "fulfilled_fen",
    "inviting": "inviting_fen",
}
SHOWN = ("name", "sales_fen", "refunds_fen", "net_fen", "orders", *list(MEASURES.values())[1:])


@dataclass
class Figures:
    """What the entries of one name come to, counted one by one."""

    sales_fen: int = 0
    refunds_fen: int = 0
    own_part_fen: int = 0
    fulfilled_fen: int = 0
    inviting_fen: int = 0
    orders: set[UUID] = field(default_factory=set)

    def credit(self, entry: Any, *, own: bool) -> None:
        if entry["kind"] == "sale":
            self.sales_fen += entry["amount_fen"]
            self.orders.add(entry["order_id"])
        else:
            self.refunds_fen -= entry["amount_fen"]
        self.own_part_fen += entry["amount_fen"] if own else 0

    def shown(self, name: str, by: str) -> tuple[Any, ...]:
        net_fen = self.sales_fen - self.refunds_fen
        of_stores = (net_fen - self.own_part_fen, self.fulfilled_fen, self.inviting_fen)
        return (
            *(name, self.sales_fen, self.refunds_fen, net_fen, len(self.orders), self.own_part_fen),
            *((None, None, None) if by == "guide" else of_stores),
        )


async def from_entries(db: Database, by: str, period: str, scope_path: str) -> list[tuple[Any, ...]]:
    """The ranking as the entries themselves say it."""
    read = read_period(period)
    async with db.transaction() as session:
        entries = await sql.fetch(
            session,
            "SELECT * FROM stores_performance WHERE business_at >= $1 AND business_at < $2",
            read.from_at,
            read.to_at,
        )
        stores = {row["id"]: row["name"] for row in await sql.fetch(session, "SELECT id, name FROM stores_store")}
        guides = {row["id"]: row["name"] for row in await sql.fetch(session, "SELECT id, name FROM stores_staff")}
        regions = await sql.fetch(
            session, "SELECT name, path FROM stores_unit WHERE kind = 'region' AND starts_with(path, $1)", scope_path
        )
    found: defaultdict[str, Figures] = defaultdict(Figures)

    def names(of: dict[UUID, str], party_id: UUID | None, path: str | None) -> list[str]:
        if party_id is None or path is None or not path.startswith(scope_path):
            return []
        if by == "region":
            return [region["name"] for region in regions if path.startswith(region["path"])]
        return [of[party_id]] if party_id in of else []

    for entry in entries:
        if by == "guide":
            for name in names(guides, entry["credited_guide_id"], entry["scope_path"]):
                found[name].credit(entry, own=entry["role"] == "guide")
            continue
        for name in names(stores, entry["store_id"], entry["scope_path"]):
            found[name].credit(entry, own=entry["role"] == "store")
        for name in names(stores, entry["fulfilling_store_id"], entry["fulfilling_path"]):
            found[name].fulfilled_fen += entry["amount_fen"]
        for name in names(stores, entry["inviting_store_id"], entry["inviting_path"]):
            found[name].inviting_fen += entry["amount_fen"]
    rows = [figures.shown(name, by) for name, figures in found.items()]
    return sorted(row for row in rows if any(row[1:]))


@hypothesis_settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_rankings_are_what_the_entries_say(
    api: httpx.AsyncClient, db: Database, drain: Drain, chain: Chain, data: st.DataObject
) -> None:
    stores = [parse("sto", chain.stores[code]["id"]) for code in ("s001", "s002")]
    guides = [chain.people[login].key for login in ("guide.north", "guide.south", "manager.north")]
    inviting = st.sampled_from([None, *stores, new_id()])
    parties = st.fixed_dictionaries(
        {"store_id": st.sampled_from([*stores, new_id()]), "inviting_store_id": inviting}
    ) | st.fixed_dictionaries({"store_id": st.sampled_from(stores), "guide_id": st.sampled_from([*guides, new_id()])})
    parts = data.draw(st.integers(0, 10_000))
    rule = [{"role": "store", "bps": parts}, {"role": "guide", "bps": 10_000 - parts}]
    put = {"parts": [part for part in rule if part["bps"]]}
    assert (await api.put(RULES, json=put, headers=chain.hq.headers)).status_code == 200
    async with db.transaction() as session:
        placed_at = await sql.fetchval(session, "SELECT clock_timestamp()")
    places = st.sampled_from([*zip(stores, ("/hq/north/s001/", "/hq/south/s002/"), strict=True), None])
    lines = st.lists(st.tuples(st.integers(0, 5_000), parties), min_size=1, max_size=4)
    # Around the end of a China day and of a month.
    moments = st.integers(-3, 3).map(lambda hours: datetime(2026, 11, 30, 16, tzinfo=UTC) + timedelta(hours=hours))
    for number in range(data.draw(st.integers(1, 6))):
        place_id, path = data.draw(places) or (new_id(), f"/hq/north/p{number}/")
        where = {"place_id": place_id, "scope_path": path, "placed_at": placed_at}
        order = a_payment(*data.draw(lines), paid_at=data.draw(moments), **where)
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
                due = await from_entries(db, by, period, account["scope_path"])
                for measure in OF_GUIDES if by == "guide" else MEASURES:
                    shown = (await ranking(api, who, by, period=period, measure=measure))["items"]
                    assert sorted(tuple(one[name] for name in SHOWN) for one in shown) == due
                    ranked_by = [one[MEASURES[measure]] for one in shown]
                    assert ranked_by == sorted(ranked_by, reverse=True)


@pytest.mark.parametrize("guide_bps", [10_000, 3_000, 0])
async def test_a_store_is_credited_with_the_whole_sale_whatever_its_guide_gets(
    api: httpx.AsyncClient, db: Database, drain: Drain, chain: Chain, guide_bps: int
) -> None:
    parts = [{"role": "guide", "bps": guide_bps}, {"role": "store", "bps": 10_000 - guide_bps}]
    rule = {"parts": [part for part in parts if part["bps"]]}
    assert (await api.put(RULES, json=rule, headers=chain.hq.headers)).status_code == 200
    async with db.transaction() as session:
        placed_at = await sql.fetchval(session, "SELECT clock_timestamp()")
    north, south = (parse("sto", chain.stores[code]["id"]) for code in ("s001", "s002"))
    credit = {"store_id": north, "guide_id": chain.people["guide.north"].key, "inviting_store_id": south}
    order = a_payment(
        (128_000, credit),
        placed_at=placed_at,
        paid_at=datetime(2026, 11, 21, 4, tzinfo=UTC),
        place_id=south,
        scope_path="/hq/south/s002/",
    )
    await tell(db, order, *refunds_of(order, [[28_000]], agreed_at=datetime(2026, 11, 21, 5, tzinfo=UTC)))
    await drain()
    guides_fen = guide_bps * 10
    items = {item["name"]: item for item in (await ranking(api, chain.hq, "store"))["items"]}
    one, other = items[chain.stores["s001"]["name"]], items[chain.stores["s002"]["name"]]
    assert [one[name] for name in SHOWN[1:]] == [
        *(128_000, 28_000, 100_000, 1),
        *(100_000 - guides_fen, guides_fen, 0, 0),
    ]
    assert [other[name] for name in SHOWN[1:]] == [0, 0, 0, 0, 0, 0, 100_000, 100_000]
    for measure in MEASURES:
        shown = [await ranking(api, chain.hq, by, measure=measure) for by in ("store", "region")]
        of_stores, of_regions = [sum(item[MEASURES[measure]] for item in page["items"]) for page in shown]
        assert of_stores == of_regions
    (guide,) = (await ranking(api, chain.hq, "guide"))["items"]
    assert [guide[name] for name in SHOWN[3:]] == [100_000, 1, guides_fen, None, None, None]
    assert await breaches(db) == []


@pytest.mark.parametrize("measure", ["guides_part", "fulfilled", "inviting"])
async def test_guides_are_not_ranked_by_what_stores_alone_have(
    api: httpx.AsyncClient, chain: Chain, measure: str
) -> None:
    query = {"by": "guide", "period": "day:2026-11-21", "measure": measure}
    reply = await api.get(PERFORMANCE, params=query, headers=chain.hq.headers)
    assert (reply.status_code, reply.json()["code"]) == (422, "measure_not_of_guides")
