"""The same over real sockets: the simulator served as `siyu simulator` serves it, the shop on a port of its own."""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import uvicorn

from app.core.errors import UpstreamFailed
from app.core.settings import Settings
from app.simulator import SimulatorKeys, serve, settings_for
from app.wechat import MiniProgram, RefundState, WechatPay

from .conftest import Shop, Town

DEADLINE_S = 20


@contextlib.asynccontextmanager
async def simulator_on_a_port(keys: SimulatorKeys) -> AsyncIterator[str]:
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(keys, port=0, ready=listening.set_result))
    async with asyncio.timeout(DEADLINE_S):
        base_url = await listening
    try:
        yield base_url
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


@contextlib.asynccontextmanager
async def shop_on_a_port(shop: Shop) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(shop.application(), log_config=None, lifespan="off", ws="none"))
        serving = asyncio.create_task(server._serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def far_town(keys: SimulatorKeys, settings: Settings) -> AsyncIterator[tuple[Town, str]]:
    shop = Shop()
    async with simulator_on_a_port(keys) as wechat, shop_on_a_port(shop) as shop_url:
        pointed = settings_for(settings, keys, wechat)
        pay, mini = WechatPay.open(pointed), MiniProgram.open(pointed)
        shop.pay = pay
        async with httpx.AsyncClient(base_url=wechat, trust_env=False) as control:
            yield Town(None, shop, pay, mini, control, keys, pointed), f"{shop_url}/notify"  # type: ignore[arg-type]
        await pay.close_client()
        await mini.close_client()


async def test_the_whole_round_over_sockets(far_town: tuple[Town, str]) -> None:
    town, notify_url = far_town
    buyer = await town.buyer()
    assert (await town.mini.session(buyer["code"])).openid == buyer["openid"]
    assert await town.mini.phone_number(buyer["phone_code"]) == buyer["phone"]

    number = await town.opened(payer_openid=buyer["openid"], notify_url=notify_url)
    await town.post(f"/simulator/charges/{number}/pay", repeat=3, forge=3)
    await town.settled()
    assert len(town.shop.taken) == 3
    assert town.shop.refused == ["probe", "signature", "serial"]

    request = town.refund_of(number, notify_url=notify_url)
    assert (await town.pay.refund(**request)).state == RefundState.PROCESSING
    await town.settled()
    assert len(town.shop.taken) == 4
    done = await town.pay.query_refund(request["out_refund_no"])
    assert done is not None
    told = town.shop.taken[-1].refund
    assert told is not None
    assert replace(done, currency=None, mchid=town.pay.mchid) == told, "each names what the other leaves out"

    other = await town.opened(payer_openid=buyer["openid"], notify_url=notify_url)
    await town.pay.close(other)


async def test_a_reply_is_lost_on_the_socket_and_a_silent_server_is_left(far_town: tuple[Town, str]) -> None:
    town, notify_url = far_town
    order = await town.order(notify_url=notify_url)
    await town.fault("/v3/pay/", "drop_after")
    with pytest.raises(UpstreamFailed):
        await town.pay.prepay(**order)
    assert await town.pay.query(order["out_trade_no"]) is not None

    quick = WechatPay.open(town.settings.model_copy(update={"wechat_timeout_s": 0.2}))
    await town.fault("/v3/pay/", "timeout")
    with pytest.raises(UpstreamFailed) as caught:
        await quick.query(order["out_trade_no"])
    assert caught.value.details["reason"] == "timeout"
    await quick.close_client()


async def test_a_taken_port_is_told(keys: SimulatorKeys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError):
        await serve(keys, port=listener.getsockname()[1])


async def test_the_controls_are_documented_and_the_wire_is_not(far_town: tuple[Town, str]) -> None:
    town, _ = far_town
    paths = (await town.control.get("/openapi.json")).json()["paths"]
    assert all(path.startswith("/simulator/") for path in paths)
    assert all(one["summary"] and one["description"] for path in paths.values() for one in path.values())


async def test_logs_hold_no_personal_data_and_no_secrets(
    far_town: tuple[Town, str], caplog: pytest.LogCaptureFixture
) -> None:
    town, notify_url = far_town
    phone = f"139{secrets.randbelow(10**8):08d}"
    buyer = await town.buyer(phone=phone)
    caplog.clear()
    with caplog.at_level(logging.DEBUG):
        number = await town.opened(payer_openid=buyer["openid"], notify_url=notify_url)
        session = await town.mini.session(buyer["code"])
        assert await town.mini.phone_number(buyer["phone_code"]) == phone
        await town.post(f"/simulator/charges/{number}/pay")
        await town.settled()
    assert session.openid == buyer["openid"]
    assert len(town.shop.taken) == 1
    # The two servers log addresses, as the world outside may do.
    told = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn"))
    for secret in (
        town.keys.app_secret,
        town.keys.apiv3_key,
        town.mini._tokens._token,
        buyer["code"],
        buyer["openid"],
        phone,
        "session_key",
    ):
        assert secret not in told
