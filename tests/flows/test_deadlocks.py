"""Orders that meet at the same rows."""

import asyncio
import random
from collections import Counter

import httpx
import pytest

from app.core.auth import Actor, Kind, Role
from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.core.runtime import Runtime
from app.mall.catalog import products, stock
from app.mall.catalog.schemas import NewSku, ProductCreate, StockUpdate
from app.mall.orders import flows
from app.mall.orders.schemas import CloseReason
from tests.audit import audit, count
from tests.conftest import Drain, Stage
from tests.flows.test_many_at_once import crowd
from tests.shop import Shop
from tests.wechat_words import paid_word, pay_in_silence


@pytest.fixture
async def eight_skus(shop: Shop, db: Database) -> list[str]:
    headquarters = Actor(kind=Kind.STAFF, id=new_id(), family=new_id(), role=Role.HQ, scope_path="/hq/")
    async with db.transaction() as session:
        product = await products.create_product(
            session,
            ProductCreate(title="八宝茶", skus=[NewSku(title=f"第{n}味", list_fen=1_000) for n in range(8)]),
        )
        for sku in product.skus:
            await stock.set_stock(
                session, headquarters, shop.store_id, sku.id, StockUpdate(on_hand=500, sold=0, version=0)
            )
    return [wire("sku", sku.id) for sku in product.skus]


async def test_orders_of_the_same_skus_in_any_line_order_never_deadlock(
    api: httpx.AsyncClient,
    stage: Stage,
    db: Database,
    shop: Shop,
    runtime: Runtime,
    eight_skus: list[str],
    drain: Drain,
) -> None:
    people = await crowd(shop, 20)
    chance = random.Random(3)
    lanes = asyncio.Semaphore(20)

    async def buy(number: int) -> int:
        skus = chance.sample(eight_skus, 3)
        async with lanes:
            placed = await people[number % 20].try_order(
                lines=[{"sku": sku, "quantity": 1} for sku in skus], expected_payable_fen=3_000
            )
            if placed.status_code != 201:
                return placed.status_code
            if number % 2:
                word = paid_word(stage, await pay_in_silence(stage, placed.json()["payment"]["charge"]))
                return (await word.say(api)).status_code
            order_id = parse("ord", placed.json()["order"]["id"])
            return 204 if await flows.close_order(runtime, order_id, reason=CloseReason.BUYER) else 500

    assert Counter(await asyncio.gather(*(buy(number) for number in range(120)))) == {204: 120}
    name = db.url.rsplit("/", 1)[1].split("?")[0]
    assert await count(db, "SELECT deadlocks FROM pg_stat_database WHERE datname = $1", name) == 0
    await drain()
    assert await audit(db) == []
