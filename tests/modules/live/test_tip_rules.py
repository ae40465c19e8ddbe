"""How tips are divided is a rule of headquarters: a tip keeps the version that it was placed under."""

from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.core.db import Database
from app.live.tip_rules import TIP_RULES
from tests import sql
from tests.conftest import Stage
from tests.shop import Person, Shop

RULES = "/v1/admin/live/tip-rules"


async def give(fan: Person, room: dict[str, Any]) -> dict[str, Any]:
    await fan.post(f"/v1/live/rooms/{room['id']}/tickets")
    placed = await fan.post(
        f"/v1/live/rooms/{room['id']}/tips", json={"amount_fen": 1_001}, headers={"Idempotency-Key": uuid4().hex}
    )
    assert placed.status_code == 201, placed.text
    tip: dict[str, Any] = placed.json()
    return tip


async def pay(stage: Stage, tip: dict[str, Any]) -> None:
    (await stage.simulator.post(f"/simulator/charges/{tip['payment']['charge']}/pay", json={})).raise_for_status()
    await stage.deliver()


async def set_rule(hq: Person, host_bps: int, store_bps: int) -> dict[str, Any]:
    reply = await hq.put(RULES, json={"host_bps": host_bps, "store_bps": store_bps})
    assert reply.status_code == 200, reply.text
    version: dict[str, Any] = reply.json()
    return version


async def test_a_tip_is_divided_by_the_rule_that_it_was_placed_under(
    shop: Shop, room: dict[str, Any], stage: Stage, db: Database
) -> None:
    hq, fan = await shop.staff("hq"), await shop.customer()
    before = await give(fan, room)
    await set_rule(hq, 1_000, 0)
    between = await give(fan, room)
    await set_rule(hq, 0, 10_000)
    for tip in (before, between, await give(fan, room)):
        await pay(stage, tip)
    async with db.transaction() as session:
        parts = await sql.fetch(
            session,
            """SELECT payload ->> 'host_fen', payload ->> 'store_fen', payload ->> 'brand_fen' FROM event_outbox
               WHERE type = 'live.tip_paid' ORDER BY id""",
        )
    assert [tuple(map(int, part)) for part in parts] == [(501, 200, 300), (100, 0, 901), (0, 1_001, 0)]


async def test_versions_of_the_rule_stay(shop: Shop, db: Database) -> None:
    hq = await shop.staff("hq")
    first, second = await set_rule(hq, 1_000, 0), await set_rule(hq, 2_000, 0)
    page = (await hq.get(f"{RULES}?limit=1")).json()
    assert page["items"] == [second]
    rest = (await hq.get(f"{RULES}?after={page['next']}")).json()
    assert (rest["items"], rest["next"]) == ([first], None)
    with pytest.raises(asyncpg.RestrictViolationError):
        async with db.transaction() as session:
            await sql.execute(session, "UPDATE live_tip_rule SET host_bps = 1")


async def test_more_than_the_whole_is_refused_and_so_is_anybody_but_headquarters(shop: Shop, db: Database) -> None:
    hq = await shop.staff("hq")
    for host_bps, store_bps in ((6_000, 4_001), (-1, 0), (0, 10_001)):
        refused = await hq.put(RULES, json={"host_bps": host_bps, "store_bps": store_bps})
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
    for role in ("region", "manager", "guide"):
        staff = await shop.staff(role)
        assert (await staff.get(RULES)).status_code == 403
        assert (await staff.put(RULES, json={"host_bps": 1, "store_bps": 1})).status_code == 403
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction() as session:
            await sql.execute(
                session,
                """INSERT INTO live_tip_rule (id, host_bps, store_bps, created_by)
                   VALUES (gen_random_uuid(), 6000, 4001, gen_random_uuid())""",
            )
    assert (TIP_RULES.default.host_bps, TIP_RULES.default.store_bps) == (5_000, 2_000)
