"""What callers send: numbers, texts, ids, keys and places in lists."""

from typing import Any

import pytest

from app.core.ids import new_id, wire
from tests.shop import Shop


async def test_a_refusal_is_not_as_long_as_what_it_refuses(shop: Shop) -> None:
    buyer = await shop.customer()
    reply = await buyer.put("/v1/me", json={"k" * 500_000: 1})
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert len(reply.content) < 1_000


async def test_numbers_are_numbers_and_no_text_holds_nul(shop: Shop) -> None:
    buyer = await shop.customer()
    basket = shop.basket(1)
    for quantity in (True, "1", 1.5):
        reply = await buyer.post(
            "/v1/mall/quote", json={**basket, "lines": [{**basket["lines"][0], "quantity": quantity}]}
        )
        assert reply.json()["details"]["fields"][0]["field"] == "body.lines.0.quantity", reply.text
    order = {**basket, "expected_payable_fen": shop.price_fen, "remark": "门口\0放"}
    reply = await buyer.post("/v1/mall/orders", json=order, headers={"Idempotency-Key": "nul"})
    assert (reply.status_code, reply.json()["details"]["fields"][0]["fault"]) == (422, "nul_character")
    reply = await buyer.get("/v1/mall/products", params={"store": shop.store, "q": "a\0b"})
    assert (reply.status_code, reply.json()["details"]["fields"][0]["fault"]) == (422, "not_plain")


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\u2028", "\ufeff", "\x1f", "\x7f", "\x9b", "\n"])
async def test_a_short_text_is_one_line_that_shows_all_it_holds(shop: Shop, hidden: str) -> None:
    buyer, staff = await shop.customer(), await shop.staff("hq")
    text, key = f"门口{hidden}放", {"Idempotency-Key": "plain"}
    product = {"title": text, "skus": [{"title": "250g", "list_fen": 1}]}
    refund = {"lines": [], "reason": text}
    for reply in (
        await buyer.put("/v1/me", json={"nickname": text, "avatar_url": None}),
        await buyer.get("/v1/stores", params={"city": text}),
        await staff.post("/v1/admin/mall/products", json=product),
        await staff.post(f"/v1/admin/mall/orders/{wire('ord', new_id())}/refunds", json=refund, headers=key),
    ):
        assert (reply.status_code, reply.json()["details"]["fields"][0]["fault"]) == (422, "not_plain"), reply.text


@pytest.mark.parametrize("text", ["5\u00a0kg", "全角\u3000空格", "👨‍👩‍👧", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "𠮷野家"])
async def test_spaces_emoji_and_every_script_are_text(shop: Shop, text: str) -> None:
    buyer = await shop.customer()
    assert (await buyer.put("/v1/me", json={"nickname": text, "avatar_url": None})).json()["nickname"] == text


async def test_a_remark_may_have_lines_and_hides_nothing_either(shop: Shop) -> None:
    buyer = await shop.customer()
    order = await buyer.order(remark="放门口\r\n谢谢")
    assert order["order"]["remark"] == "放门口\n谢谢"
    refused = await buyer.try_order(remark="放门口\u202e谢谢")
    assert (refused.status_code, refused.json()["details"]["fields"][0]["fault"]) == (422, "not_plain")


async def test_a_foreign_prefix_is_422_and_an_unknown_id_404(shop: Shop) -> None:
    buyer = await shop.customer()
    assert (await buyer.get(f"/v1/mall/orders/{wire('chg', new_id())}")).status_code == 422
    assert (await buyer.get("/v1/mall/orders/ord_01H455VB4PEX5VSKNK084SN02Q")).status_code == 422
    assert (await buyer.get(f"/v1/mall/orders/{new_id()}")).status_code == 422
    assert (await buyer.get(f"/v1/mall/orders/{wire('ord', new_id())}")).status_code == 404


async def test_an_idempotency_key_is_required_and_printable(shop: Shop) -> None:
    buyer = await shop.customer()
    body = {**shop.basket(1), "expected_payable_fen": shop.price_fen}
    keys: list[Any] = [None, "", "x" * 65, "with space", "中文".encode()]
    for key in keys:
        headers = {} if key is None else {"Idempotency-Key": key}
        reply = await buyer.post("/v1/mall/orders", json=body, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed"), key


async def test_pages_walk_the_whole_list_once_newest_first(shop: Shop) -> None:
    buyer = await shop.customer()
    placed = [(await buyer.order())["order"]["id"] for _ in range(7)]
    seen: list[str] = []
    after: str | None = None
    sizes = []
    while True:
        page = (await buyer.get("/v1/mall/orders", params={"limit": 3} | ({"after": after} if after else {}))).json()
        sizes.append(len(page["items"]))
        seen += [item["id"] for item in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert seen == placed[::-1]
    assert sizes == [3, 3, 1]
    exact = (await buyer.get("/v1/mall/orders", params={"limit": 7})).json()
    assert (len(exact["items"]), exact["next"]) == (7, None)


async def test_a_cursor_of_another_list_and_a_limit_outside_the_bounds_are_refused(shop: Shop) -> None:
    buyer = await shop.customer()
    for wrong in (wire("prd", new_id()), "x", "ord_", "9" * 64):
        reply = await buyer.get("/v1/mall/orders", params={"after": wrong})
        assert (reply.status_code, reply.json()["code"]) == (422, "cursor_invalid"), wrong
    for limit_ in (0, -1, 101, "many"):
        reply = await buyer.get("/v1/mall/orders", params={"limit": limit_})
        assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed"), limit_
