"""A shop, the simulated WeChat and the real SDK between them, in one process and over the real wire format."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.core.settings import Settings
from app.simulator import SimulatorKeys, create_simulator, make_keys, settings_for
from app.wechat import MiniProgram, Notification, NotificationRefused, WechatPay
from tests.in_process import Application

SHOP = "http://127.0.0.1:8000"
WECHAT = "http://127.0.0.1:8002"


@pytest.fixture(scope="session")
def keys() -> SimulatorKeys:
    return make_keys()


@pytest.fixture(scope="session")
def settings(keys: SimulatorKeys) -> Settings:
    return settings_for(Settings(_env_file=None, environment="test"), keys, WECHAT)


@pytest.fixture(scope="session")
def merchant(settings: Settings) -> WechatPay:
    """A client without a wire, for what needs none."""
    return WechatPay.open(settings)


@dataclass
class Shop:
    """Takes notifications as the product does: 204 once read, 401 when not to be trusted, 500 while it is down."""

    pay: WechatPay | None = None
    down: bool = False
    taken: list[Notification] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def notify(self, request: Request) -> Response:
        if self.down:
            return Response(status_code=500)
        assert self.pay is not None
        try:
            self.taken.append(self.pay.read_notification(request.headers, await request.body()))
        except NotificationRefused as refusal:
            self.refused.append(refusal.details["reason"])
            return Response(status_code=401)
        return Response(status_code=204)

    def application(self) -> Starlette:
        return Starlette(routes=[Route("/notify", self.notify, methods=["POST"])])


@dataclass
class Town:
    """Everything of one test; `control` speaks to the simulator's own controls."""

    simulator: FastAPI
    shop: Shop
    pay: WechatPay
    mini: MiniProgram
    control: httpx.AsyncClient
    keys: SimulatorKeys
    settings: Settings

    async def buyer(self, **request: Any) -> dict[str, Any]:
        return await self.post("/simulator/buyers", **request)

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        response = await self.control.post(path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    async def settled(self, advance_s: float = 0) -> None:
        await self.post("/simulator/clock", advance_s=advance_s)

    async def calls(self, **like: Any) -> list[dict[str, Any]]:
        """Calls with these fields, the oldest first."""
        found = (await self.control.get("/simulator/calls", params={"limit": 1000})).json()["items"]
        return [call for call in reversed(found) if like.items() <= call.items()]

    async def fault(self, path_prefix: str, kind: str, times: int = 1) -> None:
        await self.post("/simulator/faults", path_prefix=path_prefix, kind=kind, times=times)

    async def order(self, **changed: Any) -> dict[str, Any]:
        """The arguments of a good prepay."""
        given = {
            "out_trade_no": new_number("chg"),
            "description": "纯棉T恤 × 2",
            "amount_fen": 12_800,
            "appid": self.keys.appid,
            "expires_at": datetime.now(UTC) + timedelta(minutes=15),
            "notify_url": f"{SHOP}/notify",
        }
        if "payer_openid" not in changed:
            given["payer_openid"] = (await self.buyer())["openid"]
        return given | changed

    async def opened(self, **changed: Any) -> str:
        """The number of a fresh unpaid charge."""
        order = await self.order(**changed)
        await self.pay.prepay(**order)
        return order["out_trade_no"]

    async def paid(self, amount_fen: int = 12_800) -> str:
        """The number of a charge that is paid and notified."""
        number = await self.opened(amount_fen=amount_fen)
        await self.post(f"/simulator/charges/{number}/pay")
        await self.settled()
        return number

    def refund_of(self, out_trade_no: str, **changed: Any) -> dict[str, Any]:
        """The arguments of a good refund."""
        return {
            "out_refund_no": new_number("rfd"),
            "out_trade_no": out_trade_no,
            "refund_fen": 12_800,
            "total_fen": 12_800,
            "reason": "不喜欢",
            "notify_url": f"{SHOP}/notify",
        } | changed


def new_number(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(13)}"


@pytest.fixture
async def town(keys: SimulatorKeys, settings: Settings) -> AsyncIterator[Town]:
    shop = Shop()
    simulator = create_simulator(keys, post=Application(shop.application()).post)
    send = Application(simulator).send
    shop.pay = pay = WechatPay.open(settings, send=send)
    mini = MiniProgram.open(settings, send=send)
    async with (
        simulator.router.lifespan_context(simulator),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=simulator), base_url=WECHAT) as control,
    ):
        yield Town(simulator, shop, pay, mini, control, keys, settings)
    await pay.close_client()
    await mini.close_client()
