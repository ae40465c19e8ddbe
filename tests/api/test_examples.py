"""One example per operation, from a run that walks the whole API; the published document holds them."""

import asyncio
import json
import os
import re
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI

from app.core import jobs
from app.core.clock import CHINA, utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.core.jobs import Job, JobRunner
from app.core.runtime import Runtime
from app.demo.brand import PASSWORD, build, create_headquarters
from app.payments.discrepancies import write_discrepancy
from app.payments.schemas import DiscrepancyKind
from tests import sql
from tests.api.recording import KEPT, Recorder, shape
from tests.architecture.surface import openapi
from tests.conftest import Drain, Stage

OPERATIONS = {
    operation["operationId"]: operation for methods in openapi()["paths"].values() for operation in methods.values()
}


class Caller:
    """Somebody who calls the API; a refusal ends the test."""

    def __init__(self, api: httpx.AsyncClient, token: str | None = None) -> None:
        self._api = api
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        once = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        sent: dict[str, Any] = {} if body is None else {"json": body}
        reply = await self._api.request(method, path, params=query, headers=self._headers | once, **sent)
        assert reply.status_code < 300, f"{method} {path}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content and "json" in reply.headers["content-type"] else None


class Walk:
    """The people of a small brand, and every call that they can make."""

    def __init__(self, api: httpx.AsyncClient, stage: Stage, db: Database, runtime: Runtime, drain: Drain) -> None:
        self.api, self.stage, self.db, self.runtime, self.drain = api, stage, db, runtime, drain
        self.nobody = Caller(api)

    async def customer(self, nickname: str) -> tuple[Caller, dict[str, Any], dict[str, Any]]:
        buyer = (await self.stage.simulator.post("/simulator/buyers", json={"phone": "13812345678"})).json()
        session = await self.nobody("POST", "/v1/session", {"code": buyer["code"]})
        caller = Caller(self.api, session["access_token"])
        await caller("PUT", "/v1/me", {"nickname": nickname, "avatar_url": "https://cdn.example.com/a/1.png"})
        return caller, session, buyer

    async def pay(self, charge: str) -> None:
        (await self.stage.simulator.post(f"/simulator/charges/{charge}/pay")).raise_for_status()
        await self.stage.deliver()
        await self.drain()

    async def organisation(self) -> None:
        await create_headquarters(self.db)
        brand = await build(self.api)
        session = await self.nobody("POST", "/v1/admin/session", {"login": "hq", "password": PASSWORD})
        self.hq = hq = Caller(self.api, session["access_token"])
        self.store = brand.stores["s001"]
        self.product = brand.products["明前龙井"]
        await hq("GET", "/v1/admin/me")
        unit = (await hq("GET", "/v1/admin/stores/units"))["items"][-1]
        await hq("GET", f"/v1/admin/stores/units/{unit['id']}")
        change = {"name": "华北大区", "version": unit["version"]}
        await hq("PUT", f"/v1/admin/stores/units/{unit['id']}", change)
        await hq("GET", "/v1/admin/stores/stores")
        path = f"/v1/admin/stores/stores/{self.store['id']}"
        store = await hq("GET", path)
        kept = ("name", "city", "address", "latitude", "longitude", "phone", "status", "version")
        await hq("PUT", path, {name: store[name] for name in kept})
        people = (await hq("GET", "/v1/admin/stores/staff", limit=100))["items"]
        guide = next(person for person in people if person["login"] == "guide.s001.1")
        path = f"/v1/admin/stores/staff/{guide['id']}"
        person = await hq("GET", path)
        kept = ("name", "role", "store", "unit", "customer", "status", "version")
        await hq("PUT", path, {name: person[name] for name in kept})
        session = await self.nobody("POST", "/v1/admin/session", {"login": "guide.s001.1", "password": PASSWORD})
        guide = Caller(self.api, session["access_token"])
        change = {"password": PASSWORD, "new_password": "a password of my own"}
        session = await guide("PUT", "/v1/admin/me/password", change)
        self.guide = Caller(self.api, session["access_token"])

    async def rules(self) -> None:
        day_s = 24 * 60 * 60
        touches = {"share_touch_ttl_s": 15 * day_s, "room_touch_ttl_s": day_s, "guide_touch_ttl_s": 30 * day_s}
        for path, rule in (
            ("/v1/admin/attribution/rules", touches),
            ("/v1/admin/live/tip-rules", {"host_bps": 5_000, "store_bps": 2_000}),
            ("/v1/admin/distribution/terms", {"level1_bps": 1_000, "level2_bps": 300}),
            (
                "/v1/admin/stores/split-rules",
                {"parts": [{"role": "store", "bps": 7_000}, {"role": "guide", "bps": 3_000}]},
            ),
        ):
            await self.hq("PUT", path, rule)
            await self.hq("GET", path)

    async def catalog(self) -> None:
        hq = self.hq
        category = await hq("POST", "/v1/admin/mall/categories", {"name": "茶叶"})
        change = {"name": "茶叶", "position": 1, "version": category["version"]}
        await hq("PUT", f"/v1/admin/mall/categories/{category['id']}", change)
        await hq("GET", "/v1/admin/mall/categories")
        await hq("GET", "/v1/admin/mall/products")
        path = f"/v1/admin/mall/products/{self.product['id']}"
        product = await hq("GET", path)
        kept = ("title", "description", "pictures", "status", "version")
        await hq("PUT", path, {name: product[name] for name in kept} | {"category": category["id"]})
        sku = await hq("POST", "/v1/admin/mall/skus", {"product": product["id"], "title": "1kg", "list_fen": 46_800})
        path = f"/v1/admin/mall/skus/{sku['id']}"
        sku = await hq("GET", path)
        await hq("PUT", path, {name: sku[name] for name in ("title", "list_fen", "status", "version")})
        place = "plc" + self.store["id"].removeprefix("sto")
        path = f"/v1/admin/mall/stock/{place}/{sku['id']}"
        await hq("PUT", path, {"on_hand": 20, "sold": 0, "version": 0})
        await hq("GET", path)
        self.sku = self.product["skus"][0]

    async def room(self) -> None:
        body = {"store": self.store["id"], "title": "新茶上市", "start": False}
        room = await self.guide("POST", "/v1/admin/live/rooms", body)
        self.path, self.staff_path = f"/v1/live/rooms/{room['id']}", f"/v1/admin/live/rooms/{room['id']}"
        self.live = await self.guide("POST", f"{self.staff_path}/start")
        await self.guide("PUT", f"{self.staff_path}/pinned", {"product": self.product["id"]})
        room = await self.guide("GET", self.staff_path)
        shelf = {"products": [self.product["id"]], "version": room["version"]}
        await self.guide("PUT", f"{self.staff_path}/shelf", shelf)
        await self.guide("GET", "/v1/admin/live/rooms")

    async def distributors(self) -> None:
        hq = self.hq
        self.seller, _, _ = await self.customer("韩梅梅")
        application = await self.seller("POST", "/v1/distribution/applications", {"name": "韩梅梅"})
        await self.seller("GET", "/v1/distribution/applications")
        await hq("GET", "/v1/admin/distribution/applications")
        path = f"/v1/admin/distribution/applications/{application['id']}/decision"
        await hq("POST", path, {"approve": True, "reason": "欢迎加入"})
        self.link = await self.seller("POST", "/v1/shares", {"product": self.product["id"]})
        await self.nobody("GET", f"/v1/shares/{self.link['id']}/code")

    async def buyer(self) -> None:
        self.buyer, session, phone = await self.customer("Lily")
        self.buyer_id = session["customer"]["id"]
        me = self.buyer
        await me("GET", "/v1/me")
        await me("POST", "/v1/me/phone", {"code": phone["phone_code"]})
        address = {"name": "李雷", "phone": "13812345678", "province": "浙江省", "city": "杭州市", "district": "西湖区"}
        address |= {"detail": "文三路 100 号 3 幢 201 室"}
        kept = await me("POST", "/v1/me/addresses", address)
        path = f"/v1/me/addresses/{kept['id']}"
        await me("GET", path)
        await me("PUT", path, address | {"version": kept["version"]})
        await me("GET", "/v1/me/addresses")
        await me("DELETE", path)
        await me("GET", "/v1/stores", near="31.2304,121.4737")
        await me("PUT", "/v1/me/store", {"store": self.store["id"]})
        await me("GET", "/v1/me/store")
        await me("POST", "/v1/touches", {"touchpoint": self.link["id"], "entry": "group"})
        await me("POST", "/v1/touches", {"scene": self.live["touchpoint"]["scene"], "entry": "qr"})
        await me("GET", "/v1/mall/categories")
        await me("GET", "/v1/mall/products", store=self.store["id"], limit=1)
        await me("GET", f"/v1/mall/products/{self.product['id']}", store=self.store["id"])
        await me("GET", "/v1/live/rooms", status="live")
        await me("GET", self.path)
        await me("POST", f"{self.path}/tickets")

    async def orders(self) -> None:
        me, hq = self.buyer, self.hq
        lines = [{"sku": self.sku["id"], "quantity": 2}]
        basket = {"store": self.store["id"], "lines": lines, "fulfilment": {"kind": "pickup"}}
        quote = await me("POST", "/v1/mall/quote", basket)
        wish = basket | {"expected_payable_fen": quote["payable_fen"], "fingerprint": quote["fingerprint"]}
        placed = await me("POST", "/v1/mall/orders", wish | {"remark": "放门口\n谢谢"})
        path = f"/v1/mall/orders/{placed['order']['id']}"
        payment = await me("POST", f"{path}/payment")
        await self.pay(payment["charge"])
        await me("POST", f"{path}/confirmation")
        order = await me("GET", path)
        other = await me("POST", "/v1/mall/orders", wish)
        await me("POST", f"/v1/mall/orders/{other['order']['id']}/close")
        await me("GET", "/v1/mall/orders", status="paid", count="true")
        await hq("GET", "/v1/admin/mall/orders", status="paid")
        await hq("GET", f"/v1/admin/mall/orders/{order['id']}")
        refund = {"lines": [{"line": order["lines"][0]["id"], "quantity": 1, "restock": True}], "reason": "破损"}
        await hq("POST", f"/v1/admin/mall/orders/{order['id']}/refunds", refund)
        await self.work()
        await me("GET", f"{path}/refunds")
        await hq("GET", "/v1/admin/mall/refunds")
        await hq("GET", f"/v1/admin/insight/orders/{order['id']}/attribution")

    async def work(self) -> None:
        """Let the workers do what is due."""
        from app import modules

        await self.drain()
        await asyncio.wait_for(JobRunner(self.runtime, modules.jobs(), modules.timers()).drain(), 60)
        await self.stage.deliver()
        await self.drain()

    async def tips(self) -> None:
        me = self.buyer
        tip = await me("POST", f"{self.path}/tips", {"amount_fen": 990, "message": "讲得真好"})
        path = f"/v1/live/tips/{tip['id']}"
        payment = await me("POST", f"{path}/payment")
        await self.pay(payment["charge"])
        await me("POST", f"{path}/confirmation")
        await me("GET", path)
        until = (utc_now().replace(microsecond=0)).isoformat().replace("+00:00", "Z")
        await self.guide("POST", f"{self.staff_path}/mutes", {"customer": self.buyer_id, "until": until})
        await self.guide("DELETE", f"{self.staff_path}/pinned")
        await self.drain()
        await self.hq("POST", f"/v1/admin/live/tips/{tip['id']}/refund", {"reason": "未成年人打赏"})
        await self.guide("GET", f"{self.staff_path}/tips")
        await self.guide("GET", f"{self.staff_path}/report")
        await self.guide("POST", f"{self.staff_path}/end")

    async def earnings(self) -> None:
        await self.seller("GET", "/v1/partner/summary")
        commission = (await self.seller("GET", "/v1/partner/commissions"))["items"][0]
        await self.seller("GET", f"/v1/partner/commissions/{commission['id']}")
        await self.seller("GET", "/v1/partner/shares")
        day = f"day:{utc_now().astimezone(CHINA):%Y-%m-%d}"
        await self.hq("GET", "/v1/admin/stores/performance", by="store", period=day)

    async def operators(self) -> None:
        hq = self.hq
        for path in ("/health/live", "/health/ready"):
            await self.nobody("GET", path)
        async with self.db.transaction() as session:
            await write_discrepancy(
                session,
                number="4200002611202611211234567890",
                kind=DiscrepancyKind.UNKNOWN,
                charge_id=None,
                reported={"out_trade_no": "unheard-of", "amount_fen": 12_800, "currency": "CNY"},
            )
        await hq("GET", "/v1/admin/payments/discrepancies")
        await hq("GET", "/v1/admin/payments/refunds")
        await self.failed_job()
        await self.dead_letter()

    async def failed_job(self) -> None:
        async def work(_: Runtime, arguments: dict[str, Any]) -> None:
            raise RuntimeError("the certificate ran out")

        runner = JobRunner(self.runtime, [Job("test.work", work, max_attempts=1)], [])
        async with self.db.transaction() as session:
            await jobs.defer(session, "test.work", key="a", refund="rfd_01h455vb4pex5vsknk084sn02q")
        await asyncio.wait_for(runner.drain(), 30)
        async with self.db.transaction() as session:  # its last attempt is due
            await sql.execute(session, "UPDATE pgqueuer SET execute_after = clock_timestamp() - interval '1 second'")
        await asyncio.wait_for(runner.drain(), 30)
        (failed,) = (await self.hq("GET", "/v1/admin/jobs/failed"))["items"]
        await self.hq("POST", f"/v1/admin/jobs/failed/{failed['id']}/retry")

    async def dead_letter(self) -> None:
        async with self.db.transaction() as session:
            await sql.execute(
                session,
                """INSERT INTO event_dead_letter (id, consumer, seq, stream, type, error, attempts)
                   SELECT $1, 'distribution.commissions', seq, stream, type, $2, 10 FROM event WHERE type LIKE '%order_paid' LIMIT 1""",
                new_id(),
                "RuntimeError: the certificate ran out",
            )
        (letter,) = (await self.hq("GET", "/v1/admin/events/dead-letters"))["items"]
        await self.hq("POST", f"/v1/admin/events/dead-letters/{letter['id']}/replay")

    async def goodbye(self) -> None:
        _, session, _ = await self.customer("Tom")
        session = await self.nobody("POST", "/v1/session/refresh", {"refresh_token": session["refresh_token"]})
        await Caller(self.api, session["access_token"])("DELETE", "/v1/session")


def validate(name: str, example: dict[str, Any]) -> None:
    """The example against the schemas of its operation."""
    operation = OPERATIONS[name]
    components = openapi()["components"]

    def against(schema: dict[str, Any], value: Any) -> None:
        jsonschema_rs.validator_for({**schema, "components": components}).validate(value)

    for parameter in operation.get("parameters", ()):
        value = example["parameters"].get(parameter["name"])
        assert value is not None or not parameter["required"], parameter["name"]
        if value is not None:
            against(parameter["schema"], value)
    if "requestBody" in operation and example["request"] is not None:
        against(operation["requestBody"]["content"]["application/json"]["schema"], example["request"])
    content = operation["responses"][example["status"]].get("content", {})
    if "application/json" in content:
        against(content["application/json"]["schema"], example["response"])


of_the_kept_file = pytest.mark.skipif(
    bool(os.environ.get("SIYU_UPDATE_SNAPSHOTS")), reason="the run through the API is writing it"
)


@pytest.fixture
def kept() -> dict[str, Any]:
    examples: dict[str, Any] = json.loads(KEPT.read_text())
    return examples


async def test_a_run_through_the_whole_api_gives_the_examples(
    api: httpx.AsyncClient, app: FastAPI, stage: Stage, db: Database, runtime: Runtime, drain: Drain
) -> None:
    recorder = Recorder(app)
    stage.api_transport = transport = httpx.ASGITransport(app=recorder)  # WeChat's callbacks are recorded too
    async with httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60) as recorded:
        walk = Walk(recorded, stage, db, runtime, drain)
        for part in (
            walk.organisation,
            walk.rules,
            walk.catalog,
            walk.room,
            walk.distributors,
            walk.buyer,
            walk.orders,
            walk.tips,
            walk.earnings,
            walk.operators,
            walk.goodbye,
        ):
            await part()
    examples = recorder.examples()
    for name, example in examples.items():
        validate(name, example)
    assert set(OPERATIONS) - set(examples) == set(), "the walk does not come by here"
    if os.environ.get("SIYU_UPDATE_SNAPSHOTS"):
        KEPT.write_text(json.dumps(examples, ensure_ascii=False, indent=1) + "\n")
    stale = [
        name for name, example in examples.items() if shape(example) != shape(json.loads(KEPT.read_text()).get(name))
    ]
    assert stale == [], "run with SIYU_UPDATE_SNAPSHOTS=1 if this is meant"


@of_the_kept_file
def test_every_operation_has_an_example_that_is_as_documented(kept: dict[str, Any]) -> None:
    assert set(OPERATIONS) == set(kept)
    for name, example in kept.items():
        validate(name, example)


@of_the_kept_file
def test_an_orders_number_looks_like_a_real_one() -> None:
    numbers = re.findall(r'"number": "(.+)"', KEPT.read_text())
    assert numbers
    assert [number for number in numbers if not re.fullmatch(r"261121[0-9A-HJKMNP-TV-Z]{12}", number)] == []


@of_the_kept_file
def test_the_document_holds_the_examples(kept: dict[str, Any]) -> None:
    place = OPERATIONS["mall.placeOrder"]
    assert place["requestBody"]["content"]["application/json"]["example"] == kept["mall.placeOrder"]["request"]
    reply = place["responses"]["201"]["content"]["application/json"]["example"]
    assert reply["order"]["status"] == "unpaid"
    for name, operation in OPERATIONS.items():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in media, name
