"""Staff earn no commission unless a rule lets them; and what a buyer's own link does."""

from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.ids import wire
from tests.audit import audit
from tests.conftest import Drain
from tests.flows.test_auditor_people import seller
from tests.modules.stores.chain import Chain, build
from tests.shop import Person, Shop

RULES = "/v1/admin/attribution/rules"
TTLS = {"share_touch_ttl_s": 86_400, "room_touch_ttl_s": 86_400, "guide_touch_ttl_s": 86_400}


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


@pytest.fixture
async def hq(shop: Shop) -> Person:
    return await shop.staff("hq")


async def employ(api: httpx.AsyncClient, chain: Chain, login: str, account: Person | None, **changes: Any) -> None:
    """Say whose customer account a staff member's is, or that they left."""
    path = f"/v1/admin/stores/staff/{chain.people[login].id}"
    row = (await api.get(path, headers=chain.hq.headers)).json()
    body = {name: row[name] for name in ("role", "name", "status", "version", "store", "unit")}
    body |= {"customer": account.id if account else row["customer"]} | changes
    changed = await api.put(path, json=body, headers=chain.hq.headers)
    assert changed.status_code == 200, changed.text


async def link_of(sharer: Person, shop: Shop) -> str:
    made = await sharer.post("/v1/shares", json={"product": wire("prd", shop.product_id)})
    assert made.status_code == 201, made.text
    link: str = made.json()["id"]
    return link


async def credit(hq: Person, buyer: Person) -> dict[str, Any]:
    """Who is credited for what the buyer buys now."""
    placed = await buyer.order()
    explained = await hq.get(f"/v1/admin/insight/orders/{placed['order']['id']}/attribution")
    line: dict[str, Any] = explained.json()["lines"][0]
    return line


async def sold_by(hq: Person, shop: Shop, link: str) -> tuple[str | None, str]:
    """The distributor of what somebody buys who comes by a link, and why."""
    buyer = await shop.customer()
    await buyer.post("/v1/touches", json={"touchpoint": link})
    line = await credit(hq, buyer)
    return (line["distributor"] or {}).get("id"), line["distributor_reason"]


@pytest.mark.parametrize("login", ["guide.north", "region.north"])
async def test_a_distributor_who_joins_the_staff_earns_no_more_until_they_leave(
    api: httpx.AsyncClient, shop: Shop, db: Database, drain: Drain, chain: Chain, hq: Person, login: str
) -> None:
    person, distributor = await seller(shop, hq)
    link = await link_of(person, shop)
    assert await sold_by(hq, shop, link) == (distributor, "share_touch")
    bound = await shop.customer()
    await bound.post("/v1/touches", json={"touchpoint": link})
    await employ(api, chain, login, person)
    assert await sold_by(hq, shop, link) == (None, "staff")
    assert (await credit(hq, bound))["distributor_reason"] == "staff"
    assert (await hq.put(RULES, json=TTLS | {"staff_may_distribute": True})).status_code == 200
    assert await sold_by(hq, shop, link) == (distributor, "share_touch")
    assert (await hq.put(RULES, json=TTLS)).json()["staff_may_distribute"] is False
    assert await sold_by(hq, shop, link) == (None, "staff")
    await employ(api, chain, login, None, status="left")
    assert await sold_by(hq, shop, link) == (distributor, "share_touch")
    await drain()
    assert await audit(db) == []


async def test_an_upline_on_the_staff_earns_nothing_from_their_team(
    api: httpx.AsyncClient, shop: Shop, chain: Chain, hq: Person
) -> None:
    above, upline = await seller(shop, hq)
    person, distributor = await seller(shop, hq, upline)
    link = await link_of(person, shop)
    buyer = await shop.customer()
    await buyer.post("/v1/touches", json={"touchpoint": link})
    assert (await credit(hq, buyer))["upline"]["id"] == upline
    await employ(api, chain, "manager.south", above)
    line = await credit(hq, buyer)
    assert (line["distributor"]["id"], line["upline"]) == (distributor, None)


async def test_staff_become_no_distributors(api: httpx.AsyncClient, shop: Shop, chain: Chain, hq: Person) -> None:
    person, later = await shop.customer(), await shop.customer()
    await employ(api, chain, "guide.north", person)
    refused = await person.post("/v1/distribution/applications", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "staff_not_distributors")
    applied = await later.post("/v1/distribution/applications", json={})
    await employ(api, chain, "guide.south", later)
    path = f"/v1/admin/distribution/applications/{applied.json()['id']}/decision"
    decided = await hq.post(path, json={"approve": True})
    assert (decided.status_code, decided.json()["code"]) == (409, "staff_not_distributors")
    declined = await hq.post(path, json={"approve": False, "reason": "员工"})
    assert declined.json()["status"] == "refused"


async def test_a_buyers_own_link_is_passed_over_or_ends_the_search_by_rule(shop: Shop, hq: Person) -> None:
    sharer, distributor = await seller(shop, hq)
    buyer, own = await seller(shop, hq)
    links = [await link_of(person, shop) for person in (sharer, buyer)]
    for link in links:
        await buyer.post("/v1/touches", json={"touchpoint": link})
    line = await credit(hq, buyer)
    assert (line["distributor"]["id"], line["distributor_reason"]) == (distributor, "share_touch")
    await hq.put(RULES, json=TTLS | {"own_link_stops": True})
    line = await credit(hq, buyer)
    assert (line["distributor"], line["distributor_reason"]) == (None, "own_link")
    await buyer.post("/v1/touches", json={"touchpoint": links[0]})
    line = await credit(hq, buyer)
    assert (line["distributor"]["id"], line["distributor_reason"]) == (distributor, "share_touch"), "a newer one wins"
    assert own != distributor
