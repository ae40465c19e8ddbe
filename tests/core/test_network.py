"""No network call while a transaction is open: the clients say so by themselves."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.core.network import NetworkInsideTransaction
from app.core.runtime import Runtime
from app.wechat import MiniProgram, WechatPay


async def test_doors_to_redis_refuse_inside_a_transaction(runtime: Runtime) -> None:
    async with runtime.db.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await runtime.redis.ping()
        with pytest.raises(NetworkInsideTransaction):
            await runtime.redis.set("k", "v")
        with pytest.raises(NetworkInsideTransaction):
            await runtime.redis.pipeline().set("k", "v").execute()
        with pytest.raises(NetworkInsideTransaction):
            await runtime.redis.register_script("return 1")()
    assert await runtime.redis.get("k") is None
    assert await runtime.redis.ping()


async def test_doors_to_wechat_refuse_inside_a_transaction(runtime: Runtime) -> None:
    pay, mini = runtime.client(WechatPay), runtime.client(MiniProgram)
    number = "chg_01h455vb4pex5vsknk084sn02q"
    calls = [
        lambda: pay.prepay(
            out_trade_no=number,
            description="茶",
            amount_fen=1,
            payer_openid="o123456",
            appid="wx",
            expires_at=datetime.now(UTC) + timedelta(minutes=5),
            notify_url="http://127.0.0.1/",
        ),
        lambda: pay.query(number),
        lambda: pay.close(number),
        lambda: pay.query_refund("rfd_01h455vb4pex5vsknk084sn02q"),
        lambda: pay.refund(
            out_refund_no="rfd_1", out_trade_no=number, refund_fen=1, total_fen=1, reason="", notify_url="http://x/"
        ),
        lambda: mini.code_image(scene="tpt_x", page="pages/room"),
    ]
    for call in calls:
        async with runtime.db.transaction():
            with pytest.raises(NetworkInsideTransaction):
                await call()
    assert await pay.query(number) is None, "outside it answers"


async def test_another_task_without_a_transaction_may_call(runtime: Runtime) -> None:
    opened, done = asyncio.Event(), asyncio.Event()

    async def holding() -> None:
        async with runtime.db.transaction():
            opened.set()
            await done.wait()

    task = asyncio.create_task(holding())
    await opened.wait()
    assert await runtime.redis.ping()
    done.set()
    await task
