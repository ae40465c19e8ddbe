"""A chain for tests: headquarters, two regions, stores and staff, made over the API; and events published by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
from pydantic import SecretStr

from app import stores
from app.attribution import LineCredit, Reason
from app.core import auth
from app.core.auth import Actor
from app.core.db import Database
from app.core.events import Event, publish
from app.core.ids import new_id, parse
from app.mall.aftersales import RefundAgreed, RefundedLine
from app.mall.orders import OrderPaid, PaidLine
from app.stores.audit import audit_entries, audit_totals
from tests import sql

PASSWORD = "correct horse battery"
PLACED_AT = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


@dataclass
class Person:
    """A staff member who is logged in."""

    id: str
    session: dict[str, Any]

    @property
    def key(self) -> UUID:
        return parse("stf", self.id)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.session['access_token']}"}


async def log_in(api: httpx.AsyncClient, login: str, password: str = PASSWORD) -> Person:
    reply = await api.post("/v1/admin/session", json={"login": login, "password": password})
    assert reply.status_code == 200, reply.text
    session = reply.json()
    return Person(session["staff"]["id"], session)


async def first_headquarters(api: httpx.AsyncClient, db: Database, login: str = "boss") -> Person:
    body = stores.HeadquartersCreate(login=login, password=SecretStr(PASSWORD), name="总经理")
    await stores.create_headquarters(db, body)
    return await log_in(api, login)


async def actor_of(db: Database, person: Person) -> Actor:
    """A person as functions of a module see them."""
    async with db.transaction() as session:
        family = await sql.fetchval(session, "SELECT id FROM auth_family WHERE subject_id = $1", person.key)
        return await auth.current(session, family)


async def made(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 201, reply.text
    body: dict[str, Any] = reply.json()
    return body


def a_store(unit: str, code: str, **fields: Any) -> dict[str, Any]:
    return {
        "unit": unit,
        "code": code,
        "name": f"店 {code}",
        "city": "杭州市",
        "address": "文三路 100 号",
        "latitude": 30.27,
        "longitude": 120.15,
    } | fields


def somebody(role: str, login: str, **where: Any) -> dict[str, Any]:
    return {"role": role, "login": login, "password": PASSWORD, "name": login} | where


@dataclass
class Chain:
    """Two regions with a store each; in each store a manager and a guide, in each region its head."""

    hq: Person
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    stores: dict[str, dict[str, Any]] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)


async def build(api: httpx.AsyncClient, db: Database) -> Chain:
    chain = Chain(hq=await first_headquarters(api, db))
    hq = chain.hq.headers
    (root,) = (await api.get("/v1/admin/stores/units", headers=hq)).json()["items"]
    chain.units["hq"] = root
    for region, code in (("north", "s001"), ("south", "s002")):
        unit = await made(
            await api.post(
                "/v1/admin/stores/units", json={"parent": root["id"], "code": region, "name": region}, headers=hq
            )
        )
        store = await made(await api.post("/v1/admin/stores/stores", json=a_store(unit["id"], code), headers=hq))
        chain.units[region], chain.stores[code] = unit, store
        for role, where in (
            ("region", {"unit": unit["id"]}),
            ("manager", {"store": store["id"]}),
            ("guide", {"store": store["id"]}),
        ):
            login = f"{role}.{region}"
            await made(await api.post("/v1/admin/stores/staff", json=somebody(role, login, **where), headers=hq))
            chain.people[login] = await log_in(api, login)
    return chain


def a_credit(line_id: UUID, **parties: Any) -> LineCredit:
    return LineCredit(
        **{
            "line_id": line_id,
            "distributor_id": None,
            "upline_id": None,
            "distributor_reason": Reason.NONE,
            "guide_id": None,
            "guide_reason": Reason.NONE,
            "store_id": new_id(),
            "store_reason": Reason.SELLING_STORE,
            "room_id": None,
            "room_reason": Reason.NONE,
            "touchpoint_id": None,
        }
        | parties
    )


def a_payment(*lines: tuple[int, dict[str, Any]], **fields: Any) -> OrderPaid:
    """A paid order; each line is what was paid for its goods and who is credited."""
    paid = []
    for amount_fen, parties in lines:
        line_id = new_id()
        paid.append(
            PaidLine(
                line_id=line_id,
                product_id=new_id(),
                sku_id=new_id(),
                title="茶",
                quantity=1,
                goods_paid_fen=amount_fen,
                credit=a_credit(line_id, **parties),
            )
        )
    goods_fen = sum(amount_fen for amount_fen, _ in lines)
    return OrderPaid(
        **{
            "order_id": new_id(),
            "customer_id": new_id(),
            "book": "brand",
            "place_id": new_id(),
            "scope_path": "/hq/elsewhere/",
            "placed_at": PLACED_AT,
            "paid_at": PLACED_AT,
            "goods_fen": goods_fen,
            "freight_fen": 0,
            "paid_fen": goods_fen,
            "lines": tuple(paid),
        }
        | fields
    )


def refunds_of(order: OrderPaid, steps: Sequence[Sequence[int]], **fields: Any) -> list[RefundAgreed]:
    """A series of refunds; each step says how much of each line goes back."""
    refunded = [0] * len(order.lines)
    series = []
    for step in steps:
        lines = []
        for index, amount_fen in enumerate(step):
            if amount_fen == 0:
                continue
            line = order.lines[index]
            lines.append(
                RefundedLine(
                    line_id=line.line_id,
                    product_id=line.product_id,
                    sku_id=line.sku_id,
                    quantity=1,
                    restocked=False,
                    amount_fen=amount_fen,
                    goods_paid_fen=line.goods_paid_fen,
                    refunded_before_fen=refunded[index],
                    credit=line.credit,
                )
            )
            refunded[index] += amount_fen
        series.append(
            RefundAgreed(
                **{
                    "refund_id": new_id(),
                    "order_id": order.order_id,
                    "customer_id": order.customer_id,
                    "book": order.book,
                    "scope_path": order.scope_path,
                    "placed_at": order.placed_at,
                    "agreed_at": PLACED_AT,
                    "amount_fen": sum(step),
                    "freight_fen": 0,
                    "lines": tuple(lines),
                }
                | fields
            )
        )
    return series


async def tell(db: Database, *events: Event) -> None:
    """Publish events in one transaction, as the mall would."""
    async with db.transaction() as session:
        await publish(session, *events)


async def breaches(db: Database) -> list[str]:
    """What the auditor of stores finds; events told by `tell` have no orders for the other modules' auditors."""
    async with db.transaction() as session:
        return [*await audit_entries(session), *await audit_totals(session)]
