"""Performance: written from the mall's events, exact in its parts, ranked within scope."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import stores
from app.core.db import Database
from app.core.events import Recorded
from app.core.ids import new_id, parse
from app.stores import performance
from tests import sql
from tests.modules.stores.chain import Chain, a_payment, breaches, build, refunds_of, tell

Drain = Callable[[], Awaitable[int]]
RULES, PERFORMANCE = "/v1/admin/stores/split-rules", "/v1/admin/stores/performance"


async def parts_of(db: Database, line_id: object) -> dict[str, int]:
    async with db.transaction() as session:
        rows = await sql.fetch(
            session,
            """SELECT role, sum(amount_fen)::bigint AS fen FROM stores_performance
               WHERE line_id = $1 GROUP BY role""",
            line_id,
        )
    return {row["role"]: row["fen"] for row in rows}


async def test_a_line_is_split_between_store_and_guide(db: Database, drain: Drain) -> None:
    order = a_payment((10_001, {"guide_id": new_id()}), (333, {}), (0, {"guide_id": new_id()}))
    await tell(db, order)
    await drain()
    with_guide, without, free = (line.line_id for line in order.lines)
    assert await parts_of(db, with_guide) == {"store": 7_001, "guide": 3_000}
    assert await parts_of(db, without) == {"store": 333}
    assert await parts_of(db, free) == {}
    async with db.transaction() as session:
        entries = await stores.performance_of(session, order.order_id)
    assert sum(entry.amount_fen for entry in entries) == 10_334
    assert await breaches(db) == []


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amount_fen=st.integers(1, 100_000), cuts=st.lists(st.integers(1, 50_000), max_size=6), guide=st.booleans())
async def test_refunds_in_parts_end_at_nothing(
    db: Database, drain: Drain, amount_fen: int, cuts: list[int], guide: bool
) -> None:
    order = a_payment((amount_fen, {"guide_id": new_id()} if guide else {}))
    steps, left = [], amount_fen
    for cut in [*cuts, amount_fen]:
        step = min(cut, left)
        left -= step
        if step:
            steps.append([step])
    await tell(db, order, *refunds_of(order, steps))
    await drain()
    assert set((await parts_of(db, order.lines[0].line_id)).values()) == {0}
    assert await breaches(db) == []


async def test_an_order_keeps_the_rule_it_was_placed_under(api: httpx.AsyncClient, db: Database, drain: Drain) -> None:
    chain = await build(api, db)
    old = a_payment((1_000, {"guide_id": new_id()}))
    put = await api.put(
        RULES,
        json={"parts": [{"role": "guide", "bps": 10_000}]},
        headers=chain.hq.headers,
    )
    assert put.status_code == 200
    async with db.transaction() as session:
        now = await sql.fetchval(session, "SELECT clock_timestamp()")
    new = a_payment((1_000, {"guide_id": new_id()}), placed_at=now)
    await tell(db, old, new, *refunds_of(old, [[400]]), *refunds_of(new, [[400]]))
    await drain()
    assert await parts_of(db, old.lines[0].line_id) == {"store": 420, "guide": 180}
    assert await parts_of(db, new.lines[0].line_id) == {"guide": 600}
    history = (await api.get(RULES, headers=chain.people["guide.north"].headers)).json()["items"]
    assert [rule["parts"] for rule in history] == [[{"role": "guide", "bps": 10_000}]]
    assert history[0]["created_by"] == chain.hq.id


async def test_a_refund_is_split_by_the_rule_of_its_sale(db: Database, drain: Drain) -> None:
    order = a_payment((1_000, {"guide_id": new_id()}))
    await tell(db, order)
    await drain()
    async with db.transaction() as session:
        await sql.execute(
            session,
            "INSERT INTO stores_split_rule (id, parts, valid_from) VALUES ($1, $2, $3)",
            new_id(),
            [{"role": "store", "bps": 10_000}],
            order.placed_at - timedelta(hours=1),
        )
    await tell(db, *refunds_of(order, [[1_000]]))
    await drain()
    assert await parts_of(db, order.lines[0].line_id) == {"store": 0, "guide": 0}


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"role": "store", "bps": 9_999}],
        [{"role": "store", "bps": 5_000}, {"role": "store", "bps": 5_000}],
        [{"role": "store", "bps": 10_001}, {"role": "guide", "bps": -1}],
    ],
)
async def test_a_split_that_is_not_whole_is_refused(
    api: httpx.AsyncClient, db: Database, parts: list[dict[str, Any]]
) -> None:
    chain = await build(api, db)
    reply = await api.put(RULES, json={"parts": parts}, headers=chain.hq.headers)
    assert reply.json()["code"] == "validation_failed"
    below = {"parts": [{"role": "store", "bps": 10_000}]}
    assert (await api.put(RULES, json=below, headers=chain.people["region.north"].headers)).status_code == 403


async def test_the_database_itself_refuses_a_split_that_is_not_whole(db: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction() as session:
            await sql.execute(
                session,
                """INSERT INTO stores_split_rule (id, parts) VALUES ($1, '[{"role": "store", "bps": 9999}]')""",
                new_id(),
            )


async def test_entries_are_never_changed_or_deleted(db: Database, drain: Drain) -> None:
    await tell(db, a_payment((100, {})))
    await drain()
    for statement in ("UPDATE stores_performance SET amount_fen = 1", "DELETE FROM stores_performance"):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with db.transaction() as session:
                await sql.execute(session, statement)


async def test_an_event_that_comes_twice_counts_once(db: Database, drain: Drain) -> None:
    order = a_payment((100, {}))
    await tell(db, order)
    await drain()
    recorded = Recorded(seq=1, published_at=order.paid_at, event=order)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction() as session:
            await performance.record(session, [recorded])
    assert await parts_of(db, order.lines[0].line_id) == {"store": 100}


async def test_the_auditor_finds_an_entry_without_its_event_and_an_event_without_its_entry(
    db: Database, drain: Drain
) -> None:
    order = a_payment((100, {}))
    await tell(db, order)
    await drain()
    stray, unseen = a_payment((55, {})), a_payment((77, {}))
    async with db.transaction() as session:
        await performance.record(session, [Recorded(seq=9, published_at=order.paid_at, event=stray)])
    (found,) = await breaches(db)
    assert "as store is" in found
    assert found.endswith(",55), the events say nothing")
    await tell(db, unseen)
    assert await breaches(db) == [found], "what the consumer has not seen yet is no breach"
    async with db.transaction() as session:
        await sql.execute(session, "ALTER TABLE stores_performance DISABLE TRIGGER USER")
        await sql.execute(session, "DELETE FROM stores_performance WHERE order_id = $1", order.order_id)
    missing = set(await breaches(db)) - {found}
    assert sum("is nothing, the events say" in one and one.endswith(",100)") for one in missing) == 1
    assert sum("total of store" in one and one.endswith("entries say 0/0/0/0/0/0") for one in missing) == 2
    assert sum("total at /hq/elsewhere/" in one and one.endswith("entries say 55/0/1/55/55/0") for one in missing) == 1


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE stores_party_day SET sales_fen = sales_fen + 1 WHERE role = 'guide'",
        "UPDATE stores_party_day SET orders = orders + 1 WHERE role = 'store'",
        "UPDATE stores_path_day SET refunds_fen = 0",
        "UPDATE stores_path_day SET day = day + 1",
        "UPDATE stores_path_day SET orders = orders + 1 WHERE scope_path = '/'",
        "DELETE FROM stores_party_day WHERE orders < 0",
        "DELETE FROM stores_path_day",
    ],
)
async def test_the_auditor_finds_a_total_that_is_not_its_entries(
    api: httpx.AsyncClient, db: Database, drain: Drain, damage: str
) -> None:
    chain = await build(api, db)
    north, south = (parse("sto", chain.stores[code]["id"]) for code in ("s001", "s002"))
    guide = chain.people["guide.north"].key
    apart = a_payment((1_000, {"store_id": north, "guide_id": guide}), (3_000, {"store_id": south, "guide_id": guide}))
    far = a_payment((500, {"store_id": north}), (500, {}), scope_path="/elsewhere/")
    await tell(db, apart, far, *refunds_of(apart, [[100, 0]]))
    await drain()
    assert await breaches(db) == []
    async with db.transaction() as session:
        assert await sql.execute(session, damage) > 0
    assert await breaches(db) != []


async def test_a_ranking_shows_what_lies_within_scope(api: httpx.AsyncClient, db: Database, drain: Drain) -> None:
    chain: Chain = await build(api, db)
    north, south = (parse("sto", chain.stores[code]["id"]) for code in ("s001", "s002"))
    guide = chain.people["guide.north"]
    big = a_payment((10_000, {"store_id": north, "guide_id": guide.key}), (2_000, {"store_id": north}))
    small = a_payment((4_000, {"store_id": south}))
    await tell(db, big, small, *refunds_of(big, [[1_000, 0]]))
    await drain()

    async def ranking(who: str, by: str, period: str = "day:2026-11-21") -> list[tuple[Any, ...]]:
        headers = chain.hq.headers if who == "hq" else chain.people[who].headers
        reply = await api.get(PERFORMANCE, params={"by": by, "period": period}, headers=headers)
        assert reply.status_code == 200, reply.text
        return [
            (item["name"], item["sales_fen"], item["refunds_fen"], item["net_fen"], item["orders"])
            for item in reply.json()["items"]
        ]

    s001, s002 = ("店 s001", 12_000, 1_000, 11_000, 1), ("店 s002", 4_000, 0, 4_000, 1)
    assert await ranking("hq", "store") == [s001, s002]
    assert await ranking("hq", "store", "week:2026-W47") == [s001, s002]
    assert await ranking("hq", "store", "month:2026-11") == [s001, s002]
    assert await ranking("hq", "store", "day:2026-11-22") == []
    assert await ranking("hq", "guide") == [("guide.north", 10_000, 1_000, 9_000, 1)]
    assert await ranking("hq", "region") == [("north", 12_000, 1_000, 11_000, 1), ("south", 4_000, 0, 4_000, 1)]
    assert await ranking("region.north", "region") == [("north", 12_000, 1_000, 11_000, 1)]
    assert await ranking("region.south", "store") == [s002]
    assert await ranking("manager.south", "guide") == []
    assert await ranking("guide.north", "store") == [s001]
    bad = await api.get(PERFORMANCE, params={"by": "store", "period": "yesterday"}, headers=chain.hq.headers)
    assert (bad.status_code, bad.json()["code"]) == (422, "period_unreadable")
