"""One order from the quote to the refund, through real HTTP bodies, WeChat's wire protocol and the books."""

from collections.abc import Awaitable, Callable

import httpx

from app.core.db import Database
from app.core.ids import parse
from tests.audit import audit
from tests.conftest import Drain, Stage
from tests.shop import Shop


async def test_an_order_is_placed_paid_and_partly_refunded(
    api: httpx.AsyncClient,
    stage: Stage,
    db: Database,
    shop: Shop,
    drain: Drain,
    run_jobs: Callable[[], Awaitable[None]],
) -> None:
    buyer = await shop.customer()
    quote = await buyer.post("/v1/mall/quote", json=shop.basket(2))
    assert quote.status_code == 200, quote.text
    assert quote.json()["payable_fen"] == 2 * shop.price_fen

    placed = await buyer.order(2)
    order = placed["order"]
    assert order["status"] == "unpaid"
    assert set(placed["payment"]["wechat_pay"]) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}

    await stage.simulator.post(f"/simulator/charges/{placed['payment']['charge']}/pay")
    await stage.deliver()
    order = (await buyer.get(f"/v1/mall/orders/{order['id']}")).json()
    assert order["status"] == "paid"
    assert order["paid_fen"] == 2 * shop.price_fen
    assert await audit(db) == []
    await drain()

    manager = await shop.staff("hq")
    refund = await manager.post(
        f"/v1/admin/mall/orders/{order['id']}/refunds",
        json={"lines": [{"line": order["lines"][0]["id"], "quantity": 1, "restock": True}], "reason": "破损"},
        headers={"Idempotency-Key": "refund-1"},
    )
    assert refund.status_code == 201, refund.text
    assert refund.json()["amount_fen"] == shop.price_fen
    await run_jobs()
    await stage.deliver()
    await drain()
    async with db.transaction() as session:
        from tests import sql

        row = await sql.fetchrow(
            session, "SELECT status FROM mall_refund WHERE id = $1", parse("rfd", refund.json()["id"])
        )
    assert row is not None
    assert row["status"] == "paid"
    assert await audit(db) == []
