"""Who is credited: from links, bonds and rooms to the frozen line, and nothing later moves it."""

from typing import Any

import pytest

from app import attribution
from app.attribution import PromoterKind, Reason, freezing, touches
from app.attribution.schemas import ShareCreate
from app.core.db import Database
from app.core.errors import NotFound
from app.core.ids import new_id, parse, wire
from tests import sql
from tests.audit import audit
from tests.modules.attribution.conftest import PRODUCT, SELLING_STORE, Town, distributor
from tests.overlap import beside, waits
from tests.shop import Person, Shop


async def test_nobody_came_by_anything(town: Town) -> None:
    credit = await town.buy(new_id())
    assert distributor(credit) == (None, Reason.NONE)
    assert (credit.guide_id, credit.guide_reason) == (None, Reason.NONE)
    assert (credit.store_id, credit.store_reason) == (SELLING_STORE, Reason.SELLING_STORE)
    assert (credit.room_id, credit.touchpoint_id) == (None, None)


async def test_the_last_share_touch_within_fifteen_days_wins_else_the_bond(town: Town) -> None:
    buyer = new_id()
    (first, first_person), (second, second_person) = await town.promoter(), await town.promoter()
    await town.come(buyer, await town.link(first_person))
    await town.age(3600)
    link = await town.link(second_person)
    await town.come(buyer, link)
    credit = await town.buy(buyer)
    assert distributor(credit) == (second, Reason.SHARE_TOUCH)
    assert credit.touchpoint_id == link
    await town.age(15 * 24 * 3600 + 1)
    assert distributor(await town.buy(buyer)) == (first, Reason.BOND), "the first link bound them; first wins"
    await town.end(first)
    assert distributor(await town.buy(buyer)) == (None, Reason.NONE)


async def test_a_bond_to_a_former_distributor_gives_way_to_the_next(town: Town, db: Database) -> None:
    buyer = new_id()
    (first, first_person), (second, second_person) = await town.promoter(), await town.promoter()
    await town.come(buyer, await town.link(first_person))
    await town.end(first)
    await town.come(buyer, await town.link(second_person))
    await town.age(15 * 24 * 3600 + 1)
    assert distributor(await town.buy(buyer)) == (second, Reason.BOND)
    async with db.transaction() as session:
        bonds = await sql.fetch(session, "SELECT promoter_id, ended_at IS NULL FROM attribution_bond ORDER BY bound_at")
    assert [tuple(bond) for bond in bonds] == [(first, False), (second, True)], "the old one is kept, ended"


async def test_an_ended_distributor_earns_nothing_new_and_keeps_the_old(town: Town, db: Database) -> None:
    buyer = new_id()
    promoter, person = await town.promoter()
    await town.come(buyer, await town.link(person))
    old = await town.buy(buyer)
    await town.end(promoter)
    assert distributor(await town.buy(buyer)) == (None, Reason.NONE)
    async with db.transaction() as session:
        order = await sql.fetchval(session, "SELECT order_id FROM attribution_line WHERE line_id = $1", old.line_id)
        assert (await attribution.credits_of(session, [order]))[old.line_id] == old


async def test_the_own_link_earns_nothing(town: Town) -> None:
    _, person = await town.promoter()
    await town.come(person, await town.link(person))
    assert distributor(await town.buy(person)) == (None, Reason.OWN_LINK)
    another, other_person = await town.promoter()
    await town.come(person, await town.link(other_person))
    assert distributor(await town.buy(person)) == (another, Reason.SHARE_TOUCH)


async def test_a_guide_who_buys_is_passed_over_for_the_one_before(town: Town) -> None:
    person = new_id()
    other, other_person = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    await town.promoter(PromoterKind.GUIDE, person=person, store_id=new_id())
    await town.come(person, await town.link(other_person))
    await town.come(person, await town.link(person))
    assert (await town.buy(person)).guide_id == other


async def test_a_shared_link_carries_on_the_credit_of_the_one_it_came_by(town: Town) -> None:
    promoter, person = await town.promoter()
    link = await town.link(person)
    friend, buyer = new_id(), new_id()
    await town.come(friend, link)
    passed_on = await town.link(friend, via=link)
    await town.come(buyer, passed_on)
    assert distributor(await town.buy(buyer)) == (promoter, Reason.SHARE_TOUCH)


async def test_the_upline_is_paid_while_they_are_one_and_never_for_their_own_purchase(town: Town) -> None:
    upline, upline_person = await town.promoter()
    promoter, person = await town.promoter(upline_id=upline)
    link, buyer = await town.link(person), new_id()
    await town.come(buyer, link)
    assert (await town.buy(buyer)).upline_id == upline
    await town.come(upline_person, link)
    own = await town.buy(upline_person)
    assert (own.distributor_id, own.upline_id) == (promoter, None)
    await town.end(upline)
    later = await town.buy(buyer)
    assert (later.distributor_id, later.upline_id) == (promoter, None)


async def test_one_person_earns_one_way_and_the_next_distributor_is_taken(town: Town) -> None:
    person, buyer = new_id(), new_id()
    other, other_person = await town.promoter()
    own_shop, _ = await town.promoter(person=person)
    own_link = await town.link(person)
    guide, _ = await town.promoter(PromoterKind.GUIDE, person=person, store_id=new_id())
    others_link = await town.link(other_person)
    await town.come(buyer, own_link)
    assert distributor(await town.buy(buyer)) == (own_shop, Reason.SHARE_TOUCH)
    await town.come(buyer, await town.link(person))
    credit = await town.buy(buyer)
    assert credit.guide_id == guide
    assert distributor(credit) == (None, Reason.SAME_PERSON)
    await town.come(buyer, others_link)
    await town.come(buyer, own_link)
    credit = await town.buy(buyer)
    assert (credit.guide_id, distributor(credit)) == (guide, (other, Reason.SHARE_TOUCH)), (
        "their own link is passed over"
    )
    assert credit.touchpoint_id == others_link


async def test_a_bond_to_the_guide_themselves_is_passed_over(town: Town) -> None:
    person, buyer = new_id(), new_id()
    await town.promoter(person=person)
    await town.come(buyer, await town.link(person))
    await town.age(15 * 24 * 3600 + 1)
    guide, _ = await town.promoter(PromoterKind.GUIDE, person=person, store_id=new_id())
    await town.come(buyer, await town.link(person))
    credit = await town.buy(buyer)
    assert (credit.guide_id, distributor(credit)) == (guide, (None, Reason.SAME_PERSON))


async def test_the_buyers_own_link_is_passed_over_for_the_one_before(town: Town) -> None:
    other, other_person = await town.promoter()
    _, person = await town.promoter()
    await town.come(person, await town.link(other_person))
    await town.come(person, await town.link(person))
    assert distributor(await town.buy(person)) == (other, Reason.SHARE_TOUCH)


async def test_links_of_a_guide_who_also_distributes_are_guide_links(town: Town) -> None:
    person, buyer, store = new_id(), new_id(), new_id()
    await town.promoter(person=person)
    guide, _ = await town.promoter(PromoterKind.GUIDE, person=person, store_id=store)
    await town.come(buyer, await town.link(person))
    credit = await town.buy(buyer)
    assert (credit.guide_id, credit.store_id) == (guide, store)
    assert distributor(credit) == (None, Reason.NONE)


async def test_a_guide_who_left_is_passed_over_for_the_one_before(town: Town) -> None:
    first, first_person = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    second, second_person = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    buyer = new_id()
    await town.come(buyer, await town.link(first_person))
    await town.come(buyer, await town.link(second_person))
    assert (await town.buy(buyer)).guide_id == second
    await town.end(second)
    assert (await town.buy(buyer)).guide_id == first


async def test_the_guides_store_is_the_one_where_they_worked_at_the_touch(town: Town) -> None:
    old_store, new_store = new_id(), new_id()
    guide, person = await town.promoter(PromoterKind.GUIDE, store_id=old_store)
    buyer, later_buyer = new_id(), new_id()
    link = await town.link(person)
    await town.come(buyer, link)
    async with town.db.transaction() as session:
        await attribution.move_promoter(session, guide, store_id=new_store)
    told = await town.come(later_buyer, link)
    earlier, later = await town.buy(buyer), await town.buy(later_buyer)
    assert (earlier.guide_id, earlier.store_id) == (guide, old_store)
    assert (later.guide_id, later.store_id) == (guide, new_store)
    assert told.credited.store == new_store


async def test_who_had_no_store_at_the_touch_is_passed_over_for_the_one_before(town: Town, db: Database) -> None:
    buyer, store = new_id(), new_id()
    (first, first_person), (second, second_person) = [
        await town.promoter(PromoterKind.GUIDE, store_id=new_id()) for _ in range(2)
    ]
    links = [await town.link(person) for person in (first_person, second_person)]
    await town.end(second)
    for link in links:
        await town.come(buyer, link)
    async with db.transaction() as session:
        await attribution.register_promoter(
            session,
            promoter_id=second,
            kind=PromoterKind.GUIDE,
            person_id=second_person,
            upline_id=None,
            store_id=store,
        )
    assert (await town.buy(buyer)).guide_id == first
    await town.come(buyer, links[1])
    credit = await town.buy(buyer)
    assert (credit.guide_id, credit.store_id) == (second, store)


async def test_each_party_names_its_own_touchpoint_and_a_bond_none(town: Town, db: Database) -> None:
    buyer = new_id()
    bound, bound_person = await town.promoter()
    gone, gone_person = await town.promoter()
    _, guide_person = await town.promoter(PromoterKind.GUIDE, store_id=new_id())
    link = await town.link(bound_person)
    await town.come(buyer, link)
    guide_link = await town.link(guide_person)
    await town.come(buyer, guide_link)
    first = await town.buy(buyer)
    assert (first.touchpoint_id, first.guide_touchpoint_id, first.room_touchpoint_id) == (link, guide_link, None)

    await town.age(20 * 24 * 3600)
    room, _ = await town.room()
    async with db.transaction() as session:
        into_room = await touches.share(session, sharer_id=gone_person, request=ShareCreate(room=room))
    await town.come(buyer, into_room.id)
    await town.end(gone)
    credit = await town.buy(buyer)
    assert (distributor(credit), credit.touchpoint_id) == ((bound, Reason.BOND), None)
    assert (credit.guide_id, credit.guide_touchpoint_id) == (None, None)
    assert (credit.room_id, credit.room_touchpoint_id) == (room, into_room.id)


async def test_the_reply_to_a_touch_says_whom_the_checkout_will_credit(town: Town) -> None:
    buyer, store, person = new_id(), new_id(), new_id()
    await town.promoter(person=person)
    own_link = await town.link(person)
    guide, _ = await town.promoter(PromoterKind.GUIDE, person=person, store_id=store)
    await town.come(buyer, own_link)
    told = (await town.come(buyer, await town.link(person))).credited
    credit = await town.buy(buyer)
    assert distributor(credit) == (None, Reason.SAME_PERSON)
    assert (told.distributor, told.guide, told.store) == (None, guide, store)
    assert (credit.distributor_id, credit.guide_id, credit.store_id) == (told.distributor, told.guide, told.store)


async def test_of_two_first_touches_at_once_one_is_the_first(town: Town, db: Database) -> None:
    buyer = new_id()
    (first, person), (_, other_person) = await town.promoter(), await town.promoter()
    link, other = await town.link(person), await town.link(other_person)
    async with db.transaction() as session:
        await touches.touch(session, customer_id=buyer, touchpoint_id=link, entry=None)
        rival = beside(town.come(buyer, other))
        assert await waits(session, rival)
    assert (await rival).credited.distributor is not None
    async with db.transaction() as session:
        seen = await sql.fetch(session, "SELECT touchpoint_id, first FROM attribution_touch ORDER BY first DESC")
        bonds = await sql.fetch(session, "SELECT promoter_id FROM attribution_bond")
    assert [tuple(touch) for touch in seen] == [(link, True), (other, False)]
    assert [tuple(bond) for bond in bonds] == [(first,)]


async def test_touches_of_long_ago_are_not_read(town: Town, db: Database) -> None:
    statement = freezing._CANDIDATES
    values = dict.fromkeys(("share_ttl_s", "room_ttl_s", "guide_ttl_s"), 1)
    values |= dict.fromkeys(("staff_may", "own_stops"), True)
    arguments = statement.arguments({"customer_id": new_id(), "products": [PRODUCT], "placed_at": None, **values})
    async with db.transaction() as session:
        await sql.execute(session, "SET LOCAL enable_seqscan = off")
        plan = [row[0].strip() for row in await sql.fetch(session, f"EXPLAIN {statement.sql}", *arguments)]
    bounded = [line for line in plan if "touched_at >" in line]
    assert len([line for line in bounded if line.startswith("Index Cond")]) >= 3, "the share's, the guide's, the room's"
    assert not [line for line in bounded if line.startswith("Filter")]


async def test_unknown_links_and_rooms_are_not_there(town: Town) -> None:
    with pytest.raises(NotFound):
        await town.come(new_id(), new_id())
    with pytest.raises(NotFound):
        await town.enter(new_id(), new_id())
    with pytest.raises(NotFound):
        await town.link(new_id(), via=new_id())


async def shared(person: Person, shop: Shop, via: str | None = None) -> dict[str, Any]:
    reply = await person.post("/v1/shares", json={"product": wire("prd", shop.product_id), "via": via})
    assert reply.status_code == 201, reply.text
    link: dict[str, Any] = reply.json()
    return link


async def test_a_link_over_http_is_credited_on_the_order_and_a_body_cannot_claim_credit(shop: Shop, town: Town) -> None:
    seller, buyer = await shop.customer(), await shop.customer()
    promoter, _ = await town.promoter(person=parse("cus", seller.id))
    link = await shared(seller, shop)
    assert link["scene"] == link["id"]
    assert len(link["scene"]) <= 32
    assert link["id"] in link["path"]
    touch = await buyer.post("/v1/touches", json={"scene": link["scene"], "entry": "group"})
    assert touch.status_code == 201, touch.text
    assert touch.json()["credited"]["distributor"] == wire("dst", promoter)
    assert touch.json()["product"] == wire("prd", shop.product_id)
    order = (await buyer.order())["order"]
    assert order["lines"][0]["credit"] is None, "credit is for staff"
    staff = await shop.staff("hq")
    (line,) = (await staff.get(f"/v1/admin/mall/orders/{order['id']}")).json()["lines"]
    assert (line["credit"]["distributor"], line["credit"]["store"]) == (wire("dst", promoter), shop.store)
    forged = await buyer.try_order(1, attribution={"distributor": wire("dst", new_id())})
    assert forged.status_code == 422
    assert await audit(shop.db) == []


async def test_touches_that_make_no_sense(shop: Shop) -> None:
    buyer = await shop.customer()
    unknown = wire("tpt", new_id())
    for body, status in (
        ({}, 422),
        ({"touchpoint": unknown, "scene": "x"}, 422),
        ({"touchpoint": unknown}, 404),
        ({"scene": "promo2026"}, 404),
        ({"scene": "x" * 33}, 422),
        ({"scene": "tpt_x", "entry": "y" * 65}, 422),
    ):
        assert (await buyer.post("/v1/touches", json=body)).status_code == status, body


async def test_the_code_of_a_link_is_a_picture(shop: Shop) -> None:
    link = await shared(await shop.customer(), shop)
    picture = await shop.api.get(f"/v1/shares/{link['id']}/code")
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert (await shop.api.get(f"/v1/shares/{wire('tpt', new_id())}/code")).status_code == 404
