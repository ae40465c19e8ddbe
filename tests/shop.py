"""A small brand for tests, made through the product's own verbs, and people who talk to its API."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.core.auth import Kind, Role, open_family
from app.core.db import Database
from app.core.ids import new_id, wire
from app.core.settings import Settings
from app.mall import catalog
from app.mall.catalog import products, stock
from app.mall.catalog.schemas import NewSku, ProductCreate, StockUpdate
from tests.conftest import Stage


class Person(httpx.AsyncClient):
    """A logged-in caller of the API."""

    shop: "Shop"
    id: str

    async def order(self, quantity: int = 1, *, key: str | None = None, **changes: Any) -> dict[str, Any]:
        response = await self.try_order(quantity, key=key, **changes)
        assert response.status_code == 201, response.text
        placed: dict[str, Any] = response.json()
        return placed

    async def try_order(self, quantity: int = 1, *, key: str | None = None, **changes: Any) -> httpx.Response:
        body = {**self.shop.basket(quantity), "expected_payable_fen": quantity * self.shop.price_fen, **changes}
        return await self.post("/v1/mall/orders", json=body, headers={"Idempotency-Key": key or uuid4().hex})

    async def pay(self, placed: dict[str, Any]) -> None:
        """The buyer pays in WeChat, and the notification arrives."""
        charge = placed["payment"]["charge"]
        (await self.shop.stage.simulator.post(f"/simulator/charges/{charge}/pay")).raise_for_status()
        await self.shop.stage.deliver()


@dataclass
class Shop:
    """One store with one product of one SKU."""

    api: httpx.AsyncClient
    stage: Stage
    db: Database
    settings: Settings
    store_id: UUID
    product_id: UUID
    sku_id: UUID
    price_fen: int

    @property
    def store(self) -> str:
        return wire("sto", self.store_id)

    @property
    def sku(self) -> str:
        return wire("sku", self.sku_id)

    def basket(self, quantity: int) -> dict[str, Any]:
        return {
            "store": self.store,
            "lines": [{"sku": self.sku, "quantity": quantity}],
            "fulfilment": {"kind": "pickup"},
        }

    def _person(self, token: str) -> Person:
        person = Person(
            transport=self.api._transport,
            base_url="http://api",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        person.shop = self
        return person

    async def customer(self, nickname: str | None = None) -> Person:
        """Somebody who has just logged in with the mini-program."""
        buyer = (await self.stage.simulator.post("/simulator/buyers")).json()
        session = await self.api.post("/v1/session", json={"code": buyer["code"]})
        assert session.status_code in (200, 201), session.text
        person = self._person(session.json()["access_token"])
        person.id = session.json()["customer"]["id"]
        if nickname:
            (await person.put("/v1/me", json={"nickname": nickname, "avatar_url": None})).raise_for_status()
        return person

    async def staff(self, role: str, scope_path: str = "/hq/") -> Person:
        """A staff login with a role and a scope, without the rows of a staff member."""
        async with self.db.transaction() as session:
            pair = await open_family(
                session,
                self.settings,
                kind=Kind.STAFF,
                subject_id=new_id(),
                role=Role(role),
                scope_path=scope_path,
            )
        return self._person(pair.access_token)


async def open_shop(
    api: httpx.AsyncClient, stage: Stage, db: Database, settings: Settings, *, units: int = 100, price_fen: int = 12_800
) -> Shop:
    from app.core.auth import Actor

    store_id = new_id()
    headquarters = Actor(kind=Kind.STAFF, id=new_id(), family=new_id(), role=Role.HQ, scope_path="/hq/")
    async with db.transaction() as session:
        await catalog.open_place(session, place_id=store_id, name="人民广场店", scope_path="/hq/east/s001/")
        product = await products.create_product(
            session, ProductCreate(title="明前龙井", skus=[NewSku(title="250g", list_fen=price_fen)])
        )
        sku = product.skus[0]
        await stock.set_stock(session, headquarters, store_id, sku.id, StockUpdate(on_hand=units, sold=0, version=0))
    return Shop(api, stage, db, settings, store_id, product.id, sku.id, price_fen)


@pytest.fixture
async def shop(api: httpx.AsyncClient, stage: Stage, db: Database, settings: Settings) -> Shop:
    return await open_shop(api, stage, db, settings)
