"""The nine steps, and the sums they must come to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from app.core import events
from app.core.clock import CHINA, utc_now
from app.core.db import Database
from app.core.money import share
from app.demo.audience import Audience
from app.demo.brand import PASSWORD, Brand, build
from app.demo.people import Api, Customer
from app.demo.receipt import Receipt
from app.processes.auditor import run_audit

LEVEL1_BPS, LEVEL2_BPS = 1_000, 300
TIP_FEN, HOST_FEN, STORE_FEN, BRAND_FEN = 990, 495, 198, 297
"""A tip, and its parts by the rule that counts without another: 50, 20 and 30 %."""
PRODUCT = "明前龙井"
NAMES = ("Lily", "王芳", "李强", "Tom", "陈晨", "赵敏", "Nina", "周杰")


@dataclass
class Purchase:
    """One buyer's order. `by_link` says that they came by the distributor's link."""

    buyer: Customer
    quantity: int
    by_link: bool
    order: dict[str, Any]


class Play:
    """The people and things on the stage, step by step."""

    brand: Brand
    guide: Api
    room: dict[str, Any]
    distributor: Customer
    upline: Customer
    link: dict[str, Any]
    audience: Audience
    purchases: list[Purchase]

    def __init__(
        self,
        http: httpx.AsyncClient,
        simulator: httpx.AsyncClient,
        database: Database,
        *,
        say: Callable[[str], None] | None,
    ) -> None:
        self._http = http
        self._simulator = simulator
        self._database = database
        self._say = say or (lambda _: None)
        self.receipt = Receipt()

    async def perform(self, *, viewers: int, buyers: int, tips: int) -> Receipt:
        """Play all nine steps; the receipt holds every sum that was checked."""
        await self._open_brand()
        await self._open_room()
        await self._distribute()
        await self._gather(viewers)
        await self._sell(buyers)
        await self._tip(tips)
        await self._refund()
        await self._hear(buyers, tips)
        await self._settle_up(tips)
        return self.receipt

    async def _open_brand(self) -> None:
        self._say("1/9  a brand: headquarters, two regions, four stores, guides, products, stock")
        self.brand = await build(self._http)
        terms = {"level1_bps": LEVEL1_BPS, "level2_bps": LEVEL2_BPS, "hold_s": None}
        await self.brand.hq.put("/v1/admin/distribution/terms", terms)
        self.store = self.brand.stores["s001"]
        self.sku = self.brand.sku(PRODUCT)
        self.stock_before = await self._stock()

    async def _stock(self) -> dict[str, Any]:
        place = "plc" + self.store["id"].removeprefix("sto")
        stock: dict[str, Any] = await self.brand.hq.get(f"/v1/admin/mall/stock/{place}/{self.sku['id']}")
        return stock

    async def _open_room(self) -> None:
        self._say("2/9  a guide opens a live room in one call and pins a product")
        self.guide = await Api(self._http).staff("guide.s001.1", PASSWORD)
        body = {"store": self.store["id"], "title": "新茶上市", "start": True}
        self.room = await self.guide.post("/v1/admin/live/rooms", body)
        product = self.brand.products[PRODUCT]["id"]
        await self.guide.put(f"/v1/admin/live/rooms/{self.room['id']}/pinned", {"product": product})

    async def _distribute(self) -> None:
        self._say("3/9  a distributor, brought by another, shares a link of her own")
        self.upline = await Customer.log_in(self._http, self._simulator, "老周")
        inviter = await self._join(self.upline, None)
        self.distributor = await Customer.log_in(self._http, self._simulator, "韩梅梅")
        await self._join(self.distributor, inviter)
        self.link = await self.distributor.post("/v1/shares", {"product": self.brand.products[PRODUCT]["id"]})

    async def _join(self, customer: Customer, inviter: str | None) -> str:
        application = await customer.post("/v1/distribution/applications", {"name": customer.name, "inviter": inviter})
        decided = await self.brand.hq.post(
            f"/v1/admin/distribution/applications/{application['id']}/decision", {"approve": True, "reason": None}
        )
        distributor: str = decided["distributor"]
        return distributor

    async def _gather(self, viewers: int) -> None:
        self._say(f"4/9  {viewers} viewers log in, a third by the link, a third by the room's code, and enter")
        gate = asyncio.Semaphore(20)

        async def one(index: int) -> Customer:
            async with gate:
                name = f"{NAMES[index % len(NAMES)]}{index}"
                customer = await Customer.log_in(self._http, self._simulator, name)
                if index % 3 == 0:
                    await customer.post("/v1/touches", {"touchpoint": self.link["id"], "entry": "group"})
                elif index % 3 == 1:
                    await customer.post("/v1/touches", {"scene": self.room["touchpoint"]["scene"], "entry": "qr"})
                return customer

        customers = await asyncio.gather(*(one(index) for index in range(viewers)))
        self.audience = Audience(list(customers))
        await self.audience.enter(self.room["id"])
        await asyncio.gather(*(viewer.say("新年好") for viewer in self.audience.viewers[::5]))

    async def _sell(self, buyers: int) -> None:
        self._say(f"5/9  {buyers} of them buy at once; WeChat notifies each three times, after a forged probe")
        gate = asyncio.Semaphore(30)

        async def one(index: int) -> Purchase:
            async with gate:
                return await self._buy(self.audience.viewers[index].customer, 1 + index // 3 % 3, index % 3 == 0)

        self.purchases = list(await asyncio.gather(*(one(index) for index in range(buyers))))
        for purchase in self.purchases:
            purchase.order = await self._until_paid(purchase.buyer, purchase.order["id"])

    async def _buy(self, buyer: Customer, quantity: int, by_link: bool) -> Purchase:
        basket = {
            "store": self.store["id"],
            "lines": [{"sku": self.sku["id"], "quantity": quantity}],
            "fulfilment": {"kind": "pickup"},
        }
        quote = await buyer.post("/v1/mall/quote", basket)
        body = {**basket, "expected_payable_fen": quote["payable_fen"], "remark": None}
        placed = await buyer.post("/v1/mall/orders", body, once=True)
        await self._pay(placed["payment"]["charge"], {"repeat": 3, "forge": 1})
        return Purchase(buyer, quantity, by_link, placed["order"])

    async def _pay(self, charge: str, how: dict[str, Any]) -> None:
        paid = await self._simulator.post(f"/simulator/charges/{charge}/pay", json=how)
        paid.raise_for_status()

    async def _until_paid(self, buyer: Customer, order_id: str) -> dict[str, Any]:
        for _ in range(300):
            order: dict[str, Any] = await buyer.get(f"/v1/mall/orders/{order_id}")
            if order["status"] == "paid":
                return order
            await asyncio.sleep(0.1)
        raise TimeoutError(f"{order_id} is still {order['status']}")

    async def _tip(self, tips: int) -> None:
        self._say(f"6/9  {tips} viewers tip the host")
        path = f"/v1/live/rooms/{self.room['id']}/tips"

        async def one(index: int) -> None:
            customer = self.audience.viewers[index].customer
            tip = await customer.post(path, {"amount_fen": TIP_FEN, "message": "讲得真好"}, once=True)
            await self._pay(tip["payment"]["charge"], {"repeat": 2})
            await customer.post(f"/v1/live/tips/{tip['id']}/confirmation")

        await asyncio.gather(*(one(index) for index in range(tips)))

    async def _refund(self) -> None:
        self._say("7/9  headquarters refunds one unit of an order and takes it back into stock")
        chosen = next((p for p in self.purchases if p.by_link and p.quantity > 1), self.purchases[0])
        line = chosen.order["lines"][0]["id"]
        self.refund = await self.brand.hq.post(
            f"/v1/admin/mall/orders/{chosen.order['id']}/refunds",
            {"lines": [{"line": line, "quantity": 1, "restock": True}], "freight_fen": 0, "reason": "破损"},
            once=True,
        )
        self.refunded = chosen

    async def _hear(self, buyers: int, tips: int) -> None:
        self._say("8/9  every viewer hears every sale, tip and message in one order")
        spoken = len(self.audience.viewers[::5])
        expected = {"order.paid": buyers, "tip.paid": tips, "chat.said": spoken}
        heard = await self.audience.wait_for(expected)
        counts = self.audience.counts()
        for kind, number in expected.items():
            least, most = min(c[kind] for c in counts), max(c[kind] for c in counts)
            self.receipt.check(f"{kind} heard by each viewer (least, most)", [number, number], [least, most])
        self.receipt.check("all was heard in time", True, heard)
        self.receipt.check("numbers missed by any viewer", 0, sum(v.gaps() for v in self.audience.viewers))
        self.receipt.check("numbers heard differently", 0, self.audience.disagreements())
        self.receipt.check("faults on sockets", [], [f for v in self.audience.viewers for f in v.faults][:5])
        await self.guide.post(f"/v1/admin/live/rooms/{self.room['id']}/end")
        await self.audience.leave()

    async def _settle_up(self, tips: int) -> None:
        self._say("9/9  the books: what each earned, the stock, the audit")
        await self._until_told()
        price_fen = self.sku["list_fen"]
        goods_fen = sum(p.quantity for p in self.purchases) * price_fen
        refunded_fen = self.refund["amount_fen"]
        self.receipt.check("refund", price_fen, refunded_fen)
        await self._check_distribution()
        await self._check_performance(goods_fen - refunded_fen)
        await self._check_room(goods_fen, tips)
        after = await self._stock()
        sold = sum(p.quantity for p in self.purchases) - 1
        self.receipt.stock = {
            "before": self.stock_before["on_hand"],
            "sold": after["sold"],
            "after": after["on_hand"],
            "reserved": after["reserved"],
        }
        self.receipt.check("units sold", sold, after["sold"])
        self.receipt.check("stock after", self.stock_before["on_hand"] - sold, after["available"])
        self.receipt.audit = await run_audit(self._database)
        self._list_sales()

    async def _until_told(self) -> None:
        """Until the log has been read by everybody and the refund has been paid out."""
        for _ in range(600):
            async with self._database.transaction() as session:
                behind = await events.lag(session)
            order = await self.refunded.buyer.get(f"/v1/mall/orders/{self.refunded.order['id']}")
            calls = (await self._simulator.get("/simulator/calls", params={"limit": 1000})).json()["items"]
            sent = any(call["path"].endswith("/refunds/notify") and call["status"] == 204 for call in calls)
            if not any(behind.values()) and order["refund_status"] != "none" and sent:
                return
            await asyncio.sleep(0.1)
        raise TimeoutError(f"not everything was told in time: {behind}")

    async def _check_distribution(self) -> None:
        for who, title, rate_bps in (
            (self.distributor, "distributor", LEVEL1_BPS),
            (self.upline, "upline", LEVEL2_BPS),
        ):
            expected_fen = 0
            for purchase in self.purchases:
                if purchase.by_link:
                    paid_fen = purchase.order["lines"][0]["goods_paid_fen"]
                    kept_fen = paid_fen - (self.refund["amount_fen"] if purchase is self.refunded else 0)
                    expected_fen += share(kept_fen, rate_bps)
            summary = await who.get("/v1/partner/summary")
            self.receipt.check(f"commission held for the {title}, in fen", expected_fen, summary["held_fen"])
            self.receipt.earnings.append({"who": f"{who.name} ({title})", "earned_fen": summary["held_fen"]})

    async def _check_performance(self, kept_fen: int) -> None:
        day = f"day:{utc_now().astimezone(CHINA):%Y-%m-%d}"
        ranked = {
            by: (await self.brand.hq.get("/v1/admin/stores/performance", by=by, period=day))["items"]
            for by in ("store", "guide", "region")
        }
        for by in ("store", "guide"):
            for item in ranked[by]:
                self.receipt.performance.append(
                    {
                        "of": f"{item['name']} ({by})",
                        "credited_fen": item["net_fen"],
                        "own_part_fen": item["own_part_fen"],
                        "fulfilled_fen": item["fulfilled_fen"],
                    }
                )
        for by in ("store", "region"):
            credited_fen = sum(item["net_fen"] for item in ranked[by])
            self.receipt.check(f"performance of each {by} together, in fen", kept_fen, credited_fen)
        parts_fen = sum(item["own_part_fen"] for by in ("store", "guide") for item in ranked[by])
        self.receipt.check("own parts of stores and guides together, in fen", kept_fen, parts_fen)
        explained = await self.brand.hq.get(f"/v1/admin/insight/orders/{self.refunded.order['id']}/attribution")
        line = explained["lines"][0]
        reasons = [line["distributor_reason"], line["guide_reason"], line["store_reason"], line["room_reason"]]
        self.receipt.check(
            "why each won the refunded order", ["share_touch", "guide_touch", "guide_store", "room_touch"], reasons
        )

    async def _check_room(self, goods_fen: int, tips: int) -> None:
        report = await self.guide.get(f"/v1/admin/live/rooms/{self.room['id']}/report")
        self.receipt.check("goods paid in the room, in fen", goods_fen, report["paid_fen"])
        self.receipt.check("tips in the room, in fen", tips * TIP_FEN, report["tips_fen"])
        expected = [tips * HOST_FEN, tips * STORE_FEN]
        found = [report["tips_host_fen"], report["tips_store_fen"]]
        self.receipt.check("tips, the host's part and the store's, in fen", expected, found)
        kept_fen = report["tips_fen"] - report["tips_host_fen"]
        self.receipt.check("tips kept by the brand, in fen", tips * (STORE_FEN + BRAND_FEN), kept_fen)
        self.receipt.earnings += [
            {"who": f"{self.room['host']['name']} (tips)", "earned_fen": report["tips_host_fen"]},
            {"who": "the brand (tips)", "earned_fen": kept_fen},
        ]

    def _list_sales(self) -> None:
        ways = (("韩梅梅's link and the room", True), ("the room alone", False))
        for title, by_link in ways:
            chosen = [p for p in self.purchases if p.by_link is by_link]
            self.receipt.sales.append(
                {
                    "through": title,
                    "orders": len(chosen),
                    "units": sum(p.quantity for p in chosen),
                    "paid_fen": sum(p.order["paid_fen"] for p in chosen),
                    "refunded_fen": self.refund["amount_fen"] if self.refunded in chosen else 0,
                }
            )
