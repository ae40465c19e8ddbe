"""Before login the shop window stands open: stores, products and rooms are read, and nothing of anybody's is."""

from typing import Any

from tests.shop import Person, Shop


async def test_a_shop_shows_what_it_sells_to_everybody(shop: Shop, room: dict[str, Any]) -> None:
    products = await shop.api.get("/v1/mall/products", params={"store": shop.store})
    assert [card["title"] for card in products.json()["items"]] == ["明前龙井"]
    card = products.json()["items"][0]
    page = await shop.api.get(f"/v1/mall/products/{card['id']}", params={"store": shop.store})
    assert page.json() == card
    assert (await shop.api.get("/v1/mall/categories")).json()["items"] == []
    assert [store["id"] for store in (await shop.api.get("/v1/stores")).json()["items"]] == [shop.store]
    assert [one["id"] for one in (await shop.api.get("/v1/live/rooms")).json()["items"]] == [room["id"]]
    seen = await shop.api.get(f"/v1/live/rooms/{room['id']}")
    assert (seen.status_code, seen.json()["title"], seen.json()["me"]) == (200, "新茶", None)


async def test_a_room_tells_those_who_are_logged_in_about_themselves(shop: Shop, room: dict[str, Any]) -> None:
    buyer = await shop.customer()
    seen = await buyer.get(f"/v1/live/rooms/{room['id']}")
    assert seen.json()["me"] == {"muted_until": None}


async def test_a_login_that_is_sent_has_to_be_good(shop: Shop, host: Person) -> None:
    path = f"/v1/mall/products?store={shop.store}"
    spent = await shop.api.get(path, headers={"Authorization": "Bearer x"})
    assert (spent.status_code, spent.json()["code"]) == (401, "unauthenticated")
    assert (await host.get(path)).status_code == 403


async def test_buying_and_entering_a_room_need_a_login(shop: Shop, room: dict[str, Any]) -> None:
    quote = await shop.api.post("/v1/mall/quote", json=shop.basket(1))
    ticket = await shop.api.post(f"/v1/live/rooms/{room['id']}/tickets")
    assert (quote.status_code, ticket.status_code) == (401, 401)
