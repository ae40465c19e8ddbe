"""Orders as buyers and staff meet them: prices, quotes, refunds, lists."""

from typing import Any

import pytest

from app.attribution import PromoterKind, register_promoter
from app.core.auth import Kind, Role, open_family
from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.mall.catalog import update_place
from tests import sql
from tests.audit import audit, count
from tests.conftest import Stage
from tests.shop import Shop
from tests.wechat_words import simulator_of


async def test_the_quote_is_what_the_order_costs(shop: Shop) -> None:
    buyer = await shop.customer()
    quote = (await buyer.post("/v1/mall/quote", json=shop.basket(3))).json()
    order = (await buyer.order(3))["order"]
    for name in ("goods_fen", "freight_fen", "discount_fen", "payable_fen"):
        assert quote[name] == order[name]
    (line,) = quote["lines"]
    assert line["goods_paid_fen"] == line["goods_fen"] - sum(one["amount_fen"] for one in line["discounts"])
    assert quote["lines"][0]["available"] == 100
    assert set(quote) >= {"usable_coupons", "unusable_coupons", "server_now"}


async def test_the_price_of_a_placed_order_is_frozen(shop: Shop, db: Database) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    order = (await buyer.order(2))["order"]
    path = f"/v1/admin/mall/skus/{shop.sku}"
    sku = (await hq.get(path)).json()
    dearer = {"title": sku["title"], "status": "active", "list_fen": shop.price_fen + 100, "version": sku["version"]}
    assert (await hq.put(path, json=dearer)).status_code == 200
    stale = await hq.put(path, json=dearer)
    assert (stale.status_code, stale.json()["code"]) == (409, "version_conflict")
    assert stale.json()["details"] == {"version": sku["version"] + 1}
    assert (await buyer.get(f"/v1/mall/orders/{order['id']}")).json()["payable_fen"] == 2 * shop.price_fen
    changed = await buyer.try_order(2)
    assert (changed.status_code, changed.json()["code"]) == (409, "price_changed")
    assert changed.json()["details"]["quote"]["payable_fen"] == 2 * (shop.price_fen + 100)
    assert await audit(db) == []


async def test_another_trail_of_an_equal_sum_is_another_price_for_who_asks(shop: Shop, db: Database) -> None:
    """Two SKUs change prices with each other: the sum stays, and what each line can be refunded does not."""
    buyer, hq = await shop.customer(), await shop.staff("hq")
    product = wire("prd", shop.product_id)
    other = (
        await hq.post("/v1/admin/mall/skus", json={"product": product, "title": "500g", "list_fen": 20_000})
    ).json()
    counted = {"on_hand": 9, "sold": 0, "version": 0}
    place = shop.store.replace("sto_", "plc_")
    assert (await hq.put(f"/v1/admin/mall/stock/{place}/{other['id']}", json=counted)).status_code == 200
    basket = shop.basket(1)
    basket["lines"].append({"sku": other["id"], "quantity": 1})
    quote = (await buyer.post("/v1/mall/quote", json=basket)).json()
    async with db.transaction() as session:
        swap = "UPDATE mall_sku SET list_fen = $1 - list_fen"
        await sql.execute(session, swap, quote["payable_fen"])
    wish = {**basket, "expected_payable_fen": quote["payable_fen"]}
    refused = await buyer.post(
        "/v1/mall/orders",
        json={**wish, "fingerprint": quote["fingerprint"]},
        headers={"Idempotency-Key": "a"},
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    now = refused.json()["details"]["quote"]
    assert (now["payable_fen"], now["fingerprint"]) != (quote["payable_fen"], quote["fingerprint"])
    for key, fingerprint in (("b", now["fingerprint"]), ("c", None)):
        placed = await buyer.post(
            "/v1/mall/orders", json={**wish, "fingerprint": fingerprint}, headers={"Idempotency-Key": key}
        )
        assert placed.status_code == 201, placed.text
    assert await audit(db) == []


async def test_a_place_may_have_its_own_price(shop: Shop) -> None:
    buyer, manager = await shop.customer(), await shop.staff("manager", "/hq/east/s001/")
    place = shop.store.replace("sto_", "plc_")
    path = f"/v1/admin/mall/stock/{place}/{shop.sku}"
    stock = (await manager.get(path)).json()
    cheaper = {"on_hand": stock["on_hand"], "sold": 0, "own_list_fen": 9_900, "version": stock["version"]}
    assert (await manager.put(path, json=cheaper)).status_code == 200
    assert (await buyer.post("/v1/mall/quote", json=shop.basket(1))).json()["payable_fen"] == 9_900
    card = (await buyer.get(f"/v1/mall/products/{wire('prd', shop.product_id)}", params={"store": shop.store})).json()
    assert card["from_fen"] == 9_900
    assert (
        await manager.put(path, json=cheaper | {"version": stock["version"] + 1, "own_list_fen": None})
    ).status_code == 200
    assert (await buyer.post("/v1/mall/quote", json=shop.basket(1))).json()["payable_fen"] == shop.price_fen
    stranger = await shop.staff("manager", "/hq/east/s002/")
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.put(path, json=cheaper)).status_code == 404


async def test_stock_is_never_set_below_what_unpaid_orders_hold(shop: Shop, db: Database) -> None:
    buyer, manager = await shop.customer(), await shop.staff("manager", "/hq/east/s001/")
    await buyer.order(5)
    path = f"/v1/admin/mall/stock/{shop.store.replace('sto_', 'plc_')}/{shop.sku}"
    version = (await manager.get(path)).json()["version"]
    short = await manager.put(path, json={"on_hand": 4, "sold": 0, "version": version})
    assert (short.status_code, short.json()["code"]) == (409, "out_of_stock")
    enough = await manager.put(path, json={"on_hand": 5, "sold": 0, "version": version})
    assert {"on_hand": 5, "reserved": 5, "available": 0, "received": 5}.items() <= enough.json().items()
    assert (await buyer.try_order(1)).json()["code"] == "out_of_stock"
    assert await audit(db) == []


async def test_more_units_than_can_be_counted_are_refused(shop: Shop) -> None:
    hq = await shop.staff("hq")
    path = f"/v1/admin/mall/stock/{shop.store.replace('sto_', 'plc_')}/{shop.sku}"
    reply = await hq.put(path, json={"on_hand": 1, "sold": 2**31 - 1, "version": 1})
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")


async def test_what_is_sold_while_somebody_counts_stays_sold(shop: Shop, db: Database) -> None:
    buyer, manager = await shop.customer(), await shop.staff("manager", "/hq/east/s001/")
    path = f"/v1/admin/mall/stock/{shop.store.replace('sto_', 'plc_')}/{shop.sku}"
    counted = (await manager.get(path)).json()
    await buyer.pay(await buyer.order(3))
    delivery = counted["on_hand"] + 10
    body = {name: counted[name] for name in ("sold", "own_list_fen", "version")} | {"on_hand": delivery}
    after = (await manager.put(path, json=body)).json()
    assert (after["on_hand"], after["sold"], after["received"]) == (delivery - 3, 3, delivery)
    assert await audit(db) == []


async def test_orders_that_cannot_be(shop: Shop, db: Database) -> None:
    buyer = await shop.customer()
    one = {"sku": shop.sku, "quantity": 1}
    changes: list[tuple[dict[str, Any], int, str]] = [
        ({"lines": [one, one]}, 422, "line_repeated"),
        ({"lines": [{"sku": wire("sku", new_id()), "quantity": 1}]}, 409, "not_on_sale"),
        ({"store": wire("sto", new_id())}, 409, "not_on_sale"),
        ({"lines": []}, 422, "validation_failed"),
        ({"lines": [one | {"quantity": 0}]}, 422, "validation_failed"),
        ({"lines": [one | {"quantity": 1000}]}, 422, "validation_failed"),
        ({"lines": [one | {"quantity": 1.5}]}, 422, "validation_failed"),
        ({"expected_payable_fen": -1}, 422, "validation_failed"),
        ({"remark": "x" * 201}, 422, "validation_failed"),
        ({"lines": [one | {"quantity": 101}], "expected_payable_fen": 101 * shop.price_fen}, 409, "out_of_stock"),
    ]
    for change, status, code in changes:
        reply = await buyer.try_order(1, **change)
        assert (reply.status_code, reply.json()["code"]) == (status, code), change
    assert await count(db, "SELECT count(*) FROM mall_order") == 0
    assert await count(db, "SELECT count(*) FROM idempotency_key") == 0
    assert await audit(db) == []


async def test_nothing_off_sale_or_retired_is_sold(shop: Shop) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    path = f"/v1/admin/mall/products/{wire('prd', shop.product_id)}"
    product = (await hq.get(path)).json()
    body = {name: product[name] for name in ("title", "description", "pictures", "category", "version")}
    assert (await hq.put(path, json=body | {"status": "off_sale"})).status_code == 200
    assert (await buyer.try_order(1)).json()["code"] == "not_on_sale"
    listed = (await buyer.get("/v1/mall/products", params={"store": shop.store})).json()
    assert listed == {"items": [], "next": None, "count": None}


async def test_a_closed_store_sells_nothing(shop: Shop, db: Database) -> None:
    buyer = await shop.customer()
    async with db.transaction() as session:
        await update_place(session, shop.store_id, name="人民广场店", is_open=False)
    for reply in (await buyer.try_order(1), await buyer.post("/v1/mall/quote", json=shop.basket(1))):
        assert (reply.status_code, reply.json()["code"]) == (409, "not_on_sale")
        assert reply.json()["details"] == {"sku": None, "store": shop.store}
    assert await count(db, "SELECT count(*) FROM mall_order") == 0


async def test_an_order_offers_what_its_reader_can_do(shop: Shop, stage: Stage, db: Database) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    placed = await buyer.order()
    order, payment = placed["order"], placed["payment"]
    assert order["actions"] == ["payment", "close"]
    assert payment["server_now"] < payment["expires_at"]
    path = f"/v1/admin/mall/orders/{order['id']}"
    assert [
        (await hq.get(path)).json()["actions"],
        (await hq.get("/v1/admin/mall/orders")).json()["items"][0]["actions"],
    ] == [
        [],
        [],
    ]
    own = f"/v1/mall/orders/{order['id']}"
    assert (await buyer.get(own)).json()["actions"] == ["payment", "close"]
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE mall_order SET expires_at = clock_timestamp() - interval '1 second'")
    assert (await buyer.get(own)).json()["actions"] == ["close"]
    closed = await buyer.post(f"{own}/close", headers={"Idempotency-Key": "c"})
    assert (closed.json()["status"], closed.json()["actions"]) == ("closed", [])
    assert await audit(db) == []


@pytest.mark.parametrize("kind", ["error_500", "drop_after", "too_fast"])
async def test_when_wechat_stumbles_the_same_key_finishes_the_order(
    shop: Shop, stage: Stage, db: Database, kind: str
) -> None:
    buyer = await shop.customer()
    fault = {"path_prefix": "/v3/pay/", "kind": kind, "times": 1}
    (await stage.simulator.post("/simulator/faults", json=fault)).raise_for_status()
    first = await buyer.try_order(1, key="k")
    assert (first.status_code, first.json()["code"]) == (502, "upstream_failed")
    again = await buyer.try_order(1, key="k")
    assert again.status_code == 201, again.text
    assert again.headers.get("Idempotency-Replayed") is None
    assert len(simulator_of(stage).charges) == 1, "the same number"
    assert await count(db, "SELECT count(*) FROM mall_order") == 1
    await buyer.pay(again.json())
    assert await audit(db) == []


@pytest.mark.parametrize("kind", ["no_auth", "invalid_request"])
async def test_what_wechat_refuses_is_told_and_opens_no_charge_after_charge(
    shop: Shop, stage: Stage, db: Database, kind: str
) -> None:
    """Neither a number nor an amount is wrong: only an operator can mend it, and then the same key goes on."""
    buyer = await shop.customer()
    fault = {"path_prefix": "/v3/pay/transactions/jsapi", "kind": kind, "times": 1000}
    (await stage.simulator.post("/simulator/faults", json=fault)).raise_for_status()
    refused = [await buyer.try_order(1, key="k") for _ in range(2)]
    order = (await buyer.get("/v1/mall/orders")).json()["items"][0]
    refused += [await buyer.post(f"/v1/mall/orders/{order['id']}/payment") for _ in range(3)]
    assert [(reply.status_code, reply.json()["code"]) for reply in refused] == [(502, "wechat_refused")] * 5
    assert await count(db, "SELECT count(*) FROM payments_charge") == 1
    await stage.simulator.delete("/simulator/faults")
    placed = await buyer.try_order(1, key="k")
    assert placed.status_code == 201, placed.text
    await buyer.pay(placed.json())
    assert await audit(db) == []


@pytest.mark.parametrize("act", ["confirmation", "close"])
async def test_what_wechat_refuses_to_tell_is_told(shop: Shop, stage: Stage, db: Database, act: str) -> None:
    buyer = await shop.customer()
    order = (await buyer.order())["order"]
    fault = {"path_prefix": "/v3/pay/transactions/", "kind": "no_auth", "times": 1}
    (await stage.simulator.post("/simulator/faults", json=fault)).raise_for_status()
    reply = await buyer.post(f"/v1/mall/orders/{order['id']}/{act}", headers={"Idempotency-Key": "k"})
    assert (reply.status_code, reply.json()["code"]) == (502, "wechat_refused")
    assert await audit(db) == []


async def test_an_order_that_was_interrupted_gets_a_payment_that_works(shop: Shop, stage: Stage, db: Database) -> None:
    """WeChat knows its number with other parameters, since our address changed before the same key came again."""
    buyer = await shop.customer()
    fault = {"path_prefix": "/v3/pay/", "kind": "drop_after", "times": 1}
    (await stage.simulator.post("/simulator/faults", json=fault)).raise_for_status()
    assert (await buyer.try_order(1, key="k")).status_code == 502
    (known,) = simulator_of(stage).charges.values()
    known.order["notify_url"] = "https://before.example/notify"
    placed = (await buyer.try_order(1, key="k")).json()
    await buyer.pay(placed)
    assert (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()["status"] == "paid"
    assert await audit(db) == []


async def test_who_never_logged_in_where_payments_go_through_is_told_so(shop: Shop, db: Database) -> None:
    buyer = await shop.customer()
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE customers_identity SET appid = 'wx0000000000000000' WHERE kind = 'openid'")
    reply = await buyer.try_order(1)
    assert (reply.status_code, reply.json()["code"]) == (409, "openid_missing")
    assert await count(db, "SELECT count(*) FROM mall_order") == 0


async def test_a_guide_sees_the_orders_credited_to_him(shop: Shop, db: Database) -> None:
    buyer, other = await shop.customer(), await shop.customer()
    guide_id, own_account = new_id(), await shop.customer()
    async with db.transaction() as session:
        await register_promoter(
            session,
            promoter_id=guide_id,
            kind=PromoterKind.GUIDE,
            person_id=parse("cus", own_account.id),
            upline_id=None,
            store_id=shop.store_id,
        )
        pair = await open_family(
            session, shop.settings, kind=Kind.STAFF, subject_id=guide_id, role=Role.GUIDE, scope_path="/hq/east/s001/"
        )
    link = (await own_account.post("/v1/shares", json={"product": wire("prd", shop.product_id)})).json()["id"]
    await buyer.post("/v1/touches", json={"touchpoint": link})
    mine, theirs = [(await person.order())["order"]["id"] for person in (buyer, other)]
    guide = shop._person(pair.access_token)
    assert [one["id"] for one in (await guide.get("/v1/admin/mall/orders")).json()["items"]] == [mine]
    assert (await guide.get(f"/v1/admin/mall/orders/{mine}")).status_code == 200
    assert (await guide.get(f"/v1/admin/mall/orders/{theirs}")).status_code == 404


async def test_words_in_the_title_are_words_not_patterns(shop: Shop) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    for title in ("100% 棉", "100 棉", "a_b", "axb"):
        body = {"title": title, "skus": [{"title": "均码", "list_fen": 100}]}
        assert (await hq.post("/v1/admin/mall/products", json=body)).status_code == 201

    async def found(q: str) -> set[str]:
        page = (await buyer.get("/v1/mall/products", params={"store": shop.store, "q": q})).json()
        return {item["title"] for item in page["items"]}

    assert await found("100%") == {"100% 棉"}
    assert await found("a_b") == {"a_b"}
    assert await found("\\") == set()
    assert await found("龙井") == {"明前龙井"}
    assert await found("棉 100") == {"100% 棉", "100 棉"}, "every word, in any order"
    assert await found(" ") == {"100% 棉", "100 棉", "a_b", "axb", "明前龙井"}
    nowhere = await buyer.get("/v1/mall/products", params={"store": wire("sto", new_id())})
    assert nowhere.status_code == 404
    assert (await buyer.get("/v1/mall/categories")).json() == {"items": [], "next": None, "count": None}
