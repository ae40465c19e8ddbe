"""The explanation of an order: who is credited, why, and what each earned so far."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.core.auth import Actor, Kind, Role
from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.core.settings import Settings
from app.mall.catalog import products, stock
from app.mall.catalog.schemas import NewSku, ProductCreate, StockUpdate
from tests.audit import audit
from tests.conftest import Stage
from tests.modules.distribution.sellers import Seller, a_seller
from tests.modules.stores.chain import Chain, build
from tests.shop import Person, Shop

Drain = Callable[[], Awaitable[int]]
PRICE_FEN = 10_001


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


@pytest.fixture
async def store(chain: Chain, api: httpx.AsyncClient, stage: Stage, db: Database, settings: Settings) -> Shop:
    """The northern store of the chain, with tea in stock."""
    store_id = parse("sto", chain.stores["s001"]["id"])
    headquarters = Actor(kind=Kind.STAFF, id=new_id(), family=new_id(), role=Role.HQ, scope_path="/hq/")
    async with db.transaction() as session:
        product = await products.create_product(
            session, ProductCreate(title="明前龙井", skus=[NewSku(title="250g", list_fen=PRICE_FEN)])
        )
        sku = product.skus[0]
        await stock.set_stock(session, headquarters, store_id, sku.id, StockUpdate(on_hand=10, sold=0, version=0))
    return Shop(api, stage, db, settings, store_id, product.id, sku.id, PRICE_FEN)


async def comes_by_a_link_of(sharer: dict[str, str], buyer: Person, product: str, api: httpx.AsyncClient) -> str:
    link = (await api.post("/v1/shares", json={"product": product}, headers=sharer)).json()["id"]
    touched = await buyer.post("/v1/touches", json={"touchpoint": link})
    assert touched.status_code in (200, 201), touched.text
    return str(link)


async def guide_gets_a_customer_account(api: httpx.AsyncClient, chain: Chain, guide_customer: str) -> None:
    body = {
        "role": "guide",
        "store": chain.stores["s001"]["id"],
        "name": "小芳",
        "customer": guide_customer,
        "status": "active",
        "version": 1,
    }
    guide = chain.people["guide.north"]
    reply = await api.put(f"/v1/admin/stores/staff/{guide.id}", json=body, headers=chain.hq.headers)
    assert reply.status_code == 200, reply.text


async def test_an_order_explains_who_earned_what_and_why(
    api: httpx.AsyncClient, db: Database, drain: Drain, chain: Chain, store: Shop
) -> None:
    product = wire("prd", store.product_id)
    seller: Seller = await a_seller(api, store.stage.simulator, chain.hq)
    guide = await store.customer("小芳")
    await guide_gets_a_customer_account(api, chain, guide.id)
    buyer = await store.customer("Lily")
    await comes_by_a_link_of(dict(guide.headers), buyer, product, api)
    link = await comes_by_a_link_of(seller.headers, buyer, product, api)
    placed = await buyer.order(2)
    order = placed["order"]
    where = f"/v1/admin/insight/orders/{order['id']}/attribution"

    unpaid = (await api.get(where, headers=chain.hq.headers)).json()
    assert unpaid["lines"][0]["distributor"]["earned"] is None
    assert unpaid["lines"][0]["store"]["performance"] == {"sales_fen": 0, "refunds_fen": 0, "net_fen": 0}

    await buyer.pay(placed)
    await drain()
    refund = await api.post(
        f"/v1/admin/mall/orders/{order['id']}/refunds",
        json={"lines": [{"line": order["lines"][0]["id"], "quantity": 1, "restock": True}], "reason": "破损"},
        headers=chain.hq.headers | {"Idempotency-Key": "r1"},
    )
    assert refund.status_code == 201, refund.text
    await drain()

    seen: dict[str, Any] = (await api.get(where, headers=chain.people["guide.north"].headers)).json()
    assert (seen["order"], seen["goods_fen"], seen["refunded_fen"]) == (order["id"], 2 * PRICE_FEN, PRICE_FEN)
    (line,) = seen["lines"]
    assert (line["distributor_reason"], line["touchpoint"]) == ("share_touch", link)
    assert (line["distributor"]["id"], line["distributor"]["name"]) == (seller.id, "微**")
    earned = line["distributor"]["earned"]
    assert (earned["amount_fen"], earned["clawed_back_fen"], earned["net_fen"], earned["status"]) == (
        2_000,
        1_000,
        1_000,
        "held",
    )
    assert (line["guide"]["name"], line["guide_reason"]) == ("小芳", "guide_touch")
    assert line["guide"]["performance"] == {"sales_fen": 6_001, "refunds_fen": 3_001, "net_fen": 3_000}
    assert (line["store"]["name"], line["store_reason"]) == ("店 s001", "guide_store")
    assert line["store"]["performance"] == {"sales_fen": 14_001, "refunds_fen": 7_000, "net_fen": 7_001}
    assert (line["room"], line["room_reason"], line["upline"]) == (None, "none", None)

    commission = (await api.get("/v1/partner/commissions", headers=seller.headers)).json()["items"][0]
    whole = (await api.get(f"/v1/partner/commissions/{commission['id']}", headers=seller.headers)).json()
    assert (whole["credit"]["reason"], whole["credit"]["touchpoint"]) == ("share_touch", link)
    (share,) = (await api.get("/v1/partner/shares", headers=seller.headers)).json()["items"]
    assert (share["visits"], share["orders"], share["paid_fen"]) == (1, 1, 2 * PRICE_FEN)
    assert await audit(db) == []


async def test_an_order_outside_scope_is_not_found(api: httpx.AsyncClient, chain: Chain, store: Shop) -> None:
    buyer = await store.customer()
    order = (await buyer.order())["order"]
    where = f"/v1/admin/insight/orders/{order['id']}/attribution"
    for who, status in (
        ("region.north", 200),
        ("manager.north", 200),
        ("region.south", 404),
        ("guide.south", 404),
    ):
        assert (await api.get(where, headers=chain.people[who].headers)).status_code == status
    assert (await api.get(where, headers=dict(buyer.headers))).status_code == 403
    unknown = "/v1/admin/insight/orders/ord_01h455vb4pex5vsknk084sn02q/attribution"
    assert (await api.get(unknown, headers=chain.hq.headers)).status_code == 404


async def test_whoever_reads_the_order_reads_why(
    api: httpx.AsyncClient, db: Database, chain: Chain, store: Shop
) -> None:
    account, buyer = await store.customer("小南"), await store.customer()
    southern = {"role": "guide", "store": chain.stores["s002"]["id"], "name": "小南", "customer": account.id}
    linked = await api.put(
        f"/v1/admin/stores/staff/{chain.people['guide.south'].id}",
        json=southern | {"status": "active", "version": 1},
        headers=chain.hq.headers,
    )
    assert linked.status_code == 200, linked.text
    await comes_by_a_link_of(dict(account.headers), buyer, wire("prd", store.product_id), api)
    order = (await buyer.order())["order"]
    seen = (await api.get(f"/v1/admin/mall/orders/{order['id']}", headers=chain.hq.headers)).json()
    assert seen["lines"][0]["credit"]["guide"] == chain.people["guide.south"].id, (
        "sold in the north by a southern guide"
    )
    for who, status in (
        ("guide.south", 200),
        ("guide.north", 404),
        ("manager.north", 200),
        ("manager.south", 404),
        ("region.north", 200),
        ("region.south", 404),
    ):
        headers = chain.people[who].headers
        assert (await api.get(f"/v1/admin/mall/orders/{order['id']}", headers=headers)).status_code == status, who
        why = await api.get(f"/v1/admin/insight/orders/{order['id']}/attribution", headers=headers)
        assert why.status_code == status, who
    assert await audit(db) == []
