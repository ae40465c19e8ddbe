"""How long touches can win is a rule of headquarters, and every version of it is kept."""

from typing import Any

import asyncpg
import httpx
import pytest

from app.attribution import PromoterKind, Reason
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from tests import sql
from tests.modules.attribution.conftest import OTHER_PRODUCT, Town, distributor
from tests.modules.stores.chain import Person, build, first_headquarters

RULES = "/v1/admin/attribution/rules"
DAY_S = 24 * 3600


def windows(share_s: int, room_s: int, guide_s: int) -> dict[str, int]:
    return {"share_touch_ttl_s": share_s, "room_touch_ttl_s": room_s, "guide_touch_ttl_s": guide_s}


async def set_rule(api: httpx.AsyncClient, hq: Person, body: dict[str, int]) -> dict[str, Any]:
    reply = await api.put(RULES, json=body, headers=hq.headers)
    assert reply.status_code == 200, reply.text
    version: dict[str, Any] = reply.json()
    return version


async def test_each_kind_of_touch_counts_for_its_own_time(api: httpx.AsyncClient, db: Database, town: Town) -> None:
    hq = await first_headquarters(api, db)
    buyer = new_id()
    seller, seller_person = await town.promoter()
    guide, guide_person = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    room, _ = await town.room()
    await town.come(buyer, await town.link(seller_person))
    await town.come(buyer, await town.link(guide_person))
    await town.enter(buyer, room)
    await town.age(2 * DAY_S)

    bought = await town.buy(buyer)
    assert (bought.distributor_reason, bought.guide_id, bought.room_id) == (Reason.SHARE_TOUCH, guide, None)
    await set_rule(api, hq, windows(DAY_S, 3 * DAY_S, 3 * DAY_S))
    bought = await town.buy(buyer)
    assert distributor(bought) == (seller, Reason.BOND), "the link is too old, the bond stays"
    assert (bought.guide_id, bought.room_id) == (guide, room)
    assert (await town.buy(buyer, OTHER_PRODUCT)).room_id is None
    await set_rule(api, hq, windows(3 * DAY_S, DAY_S, 0))
    bought = await town.buy(buyer)
    assert (bought.distributor_reason, bought.guide_id, bought.room_id) == (Reason.SHARE_TOUCH, None, None)


async def test_an_order_is_judged_by_the_rule_of_the_moment_it_was_placed_at(
    api: httpx.AsyncClient, db: Database, town: Town
) -> None:
    hq = await first_headquarters(api, db)
    buyer, placed_at = new_id(), utc_now()
    guide, person = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    await town.come(buyer, await town.link(person))
    await set_rule(api, hq, windows(0, 0, 0))
    assert (await town.buy(buyer, at=placed_at)).guide_id == guide
    assert (await town.buy(buyer)).guide_id is None


async def test_the_reply_to_a_touch_follows_the_rule(api: httpx.AsyncClient, db: Database, town: Town) -> None:
    hq = await first_headquarters(api, db)
    buyer = new_id()
    guide, person = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    assert (await town.come(buyer, await town.link(person))).credited.guide == guide
    await set_rule(api, hq, windows(DAY_S, DAY_S, 0))
    assert (await town.come(buyer, await town.link(person))).credited.guide is None


async def test_versions_of_the_rule_stay(api: httpx.AsyncClient, db: Database) -> None:
    hq = await first_headquarters(api, db)
    first, second = [await set_rule(api, hq, windows(days * DAY_S, DAY_S, DAY_S)) for days in (1, 2)]
    assert first["created_by"] == hq.id
    assert first["valid_from"] < second["valid_from"]
    page = (await api.get(f"{RULES}?limit=1", headers=hq.headers)).json()
    assert page["items"] == [second]
    rest = (await api.get(f"{RULES}?after={page['next']}", headers=hq.headers)).json()
    assert (rest["items"], rest["next"]) == ([first], None)
    for change in ("UPDATE attribution_rule SET room_touch_ttl_s = 1", "DELETE FROM attribution_rule"):
        with pytest.raises(asyncpg.RestrictViolationError):
            async with db.transaction() as session:
                await sql.execute(session, change)


async def test_only_headquarters_reads_and_sets_the_rule(api: httpx.AsyncClient, db: Database) -> None:
    chain = await build(api, db)
    for who in ("region.north", "manager.north", "guide.north"):
        headers = chain.people[who].headers
        assert (await api.get(RULES, headers=headers)).status_code == 403
        assert (await api.put(RULES, json=windows(1, 1, 1), headers=headers)).status_code == 403


async def test_a_senseless_rule_is_refused(api: httpx.AsyncClient, db: Database) -> None:
    hq = await first_headquarters(api, db)
    too_long = 366 * DAY_S
    for body in (windows(-1, 1, 1), windows(1, too_long, 1), {"share_touch_ttl_s": 1}, windows(1, 1, 1) | {"x": 1}):
        refused = await api.put(RULES, json=body, headers=hq.headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation_failed")
