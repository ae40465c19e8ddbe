"""Refunds agreed with customers: of units and of money, seen and refused."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx

from app.core import auth
from app.core.auth import Role
from app.core.db import Database
from app.core.ids import new_id, parse, wire
from tests import sql
from tests.audit import audit, count
from tests.conftest import Drain, Stage
from tests.overlap import beside, waits
from tests.shop import Person, Shop
from tests.wechat_words import simulator_of

RunJobs = Callable[[], Awaitable[None]]


async def paid_order(shop: Shop, buyer: Person, quantity: int = 1, **changes: Any) -> dict[str, Any]:
    placed = await buyer.order(quantity, **changes)
    await buyer.pay(placed)
    order: dict[str, Any] = (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()
    assert order["status"] == "paid"
    return order


async def ask_refund(staff: Person, order: dict[str, Any], *lines: dict[str, Any], **changes: Any) -> httpx.Response:
    first = order["lines"][0]["id"]
    body = {"lines": [{"line": first, **line} for line in lines], "reason": "破损", **changes}
    return await staff.post(
        f"/v1/admin/mall/orders/{order['id']}/refunds", json=body, headers={"Idempotency-Key": new_id().hex}
    )


async def test_refunds_of_units_and_of_money_end_exact(
    shop: Shop, stage: Stage, db: Database, drain: Drain, run_jobs: RunJobs
) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    order = await paid_order(shop, buyer, 3)
    first = await ask_refund(hq, order, {"amount_fen": 100})
    second = await ask_refund(hq, order, {"quantity": 2, "restock": True})
    third = await ask_refund(hq, order, {"quantity": 1})
    assert [reply.status_code for reply in (first, second, third)] == [201] * 3
    amounts = [reply.json()["amount_fen"] for reply in (first, second, third)]
    assert amounts == [100, 2 * shop.price_fen, shop.price_fen - 100]
    over = await ask_refund(hq, order, {"amount_fen": 1})
    assert (over.status_code, over.json()["code"]) == (422, "refund_not_sensible")
    await run_jobs()
    await stage.deliver()
    await drain()
    order = (await buyer.get(f"/v1/mall/orders/{order['id']}")).json()
    assert (order["refund_status"], order["refunded_fen"]) == ("all", 3 * shop.price_fen)
    assert order["awaiting"] is None, "nothing is left to hand over"
    assert order["lines"][0]["refunded_quantity"] == 3
    assert await count(db, "SELECT sold FROM mall_stock") == 1, "two came back"
    assert await audit(db) == []


async def test_goods_come_back_after_their_money_was_refunded(
    shop: Shop, stage: Stage, db: Database, drain: Drain, run_jobs: RunJobs
) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    order = await paid_order(shop, buyer, 3)
    assert (await ask_refund(hq, order, {"amount_fen": 3 * shop.price_fen - 1})).status_code == 201
    part = (await ask_refund(hq, order, {"quantity": 1, "restock": True})).json()
    assert (part["amount_fen"], part["status"]) == (1, "agreed"), "what was left"
    rest = (await ask_refund(hq, order, {"quantity": 2, "restock": True})).json()
    assert (rest["amount_fen"], rest["status"]) == (0, "paid")
    assert rest["paid_at"] is not None
    for nothing in ({"quantity": 1, "restock": True}, {"quantity": 1}):
        assert (await ask_refund(hq, order, nothing)).json()["code"] == "refund_not_sensible"
    await run_jobs()
    await stage.deliver()
    await drain()
    assert len(simulator_of(stage).refunds) == 2
    assert await count(db, "SELECT sold FROM mall_stock") == 0, "all three came back"
    assert await count(db, "SELECT count(*) FROM event_dead_letter") == 0
    order = (await buyer.get(f"/v1/mall/orders/{order['id']}")).json()
    assert (order["refund_status"], order["lines"][0]["refunded_quantity"]) == ("all", 3)
    assert await audit(db) == []


async def test_a_refund_is_seen_by_its_buyer_and_by_whoever_sees_the_order(
    shop: Shop, stage: Stage, db: Database, drain: Drain, run_jobs: RunJobs
) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    order = await paid_order(shop, buyer, 2)
    refunds = [(await ask_refund(hq, order, {"quantity": 1})).json() for _ in range(2)]
    (await stage.simulator.post("/simulator/refunds/hold", json={"hold": True})).raise_for_status()
    await run_jobs()
    for refund, state in zip(refunds, ("ABNORMAL", "SUCCESS"), strict=True):
        outcome = await stage.simulator.post(f"/simulator/refunds/{refund['id']}/outcome", json={"state": state})
        outcome.raise_for_status()
    await stage.deliver()
    await drain()
    own = f"/v1/mall/orders/{order['id']}/refunds"
    seen = (await buyer.get(own)).json()["items"]
    assert [(refund["id"], refund["status"]) for refund in seen] == [
        (refunds[1]["id"], "paid"),
        (refunds[0]["id"], "stuck"),
    ]
    assert (await (await shop.customer()).get(own)).status_code == 404
    everywhere = "/v1/admin/mall/refunds"
    stuck = (await hq.get(everywhere, params={"status": "stuck"})).json()["items"]
    assert [refund["id"] for refund in stuck] == [refunds[0]["id"]]
    assert len((await hq.get(everywhere, params={"order": order["id"]})).json()["items"]) == 2
    first = (await hq.get(everywhere, params={"limit": 1})).json()
    rest = (await hq.get(everywhere, params={"after": first["next"]})).json()
    assert [refund["id"] for refund in first["items"] + rest["items"]] == [refund["id"] for refund in seen]
    for role, path in (("manager", "/hq/west/"), ("guide", "/hq/east/s001/")):
        assert (await (await shop.staff(role, path)).get(everywhere)).json()["items"] == []
    assert await audit(db) == []


async def test_refunds_that_make_no_sense(shop: Shop, db: Database) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    order = await paid_order(shop, buyer, 2)
    for reply in (
        await ask_refund(hq, order, {}),
        await ask_refund(hq, order, {"quantity": 1, "amount_fen": 1}),
        await ask_refund(hq, order, {"amount_fen": 1, "restock": True}),
        await ask_refund(hq, order, {"quantity": 3}),
        await ask_refund(hq, order, {"amount_fen": 2 * shop.price_fen + 1}),
        await ask_refund(hq, order),
        await ask_refund(hq, order, {"quantity": 1}, {"quantity": 1}),
        await ask_refund(hq, order, {"quantity": 1}, freight_fen=1),
    ):
        assert (reply.status_code, reply.json()["code"]) == (422, "refund_not_sensible")
    assert (await ask_refund(hq, order, {"line": wire("oln", new_id()), "quantity": 1})).status_code == 404
    assert await count(db, "SELECT count(*) FROM mall_refund") == 0
    assert await audit(db) == []


async def test_an_unpaid_order_has_nothing_to_refund_and_strangers_do_not_find_it(shop: Shop) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    order = (await buyer.order())["order"]
    assert (await ask_refund(hq, order, {"quantity": 1})).json()["code"] == "nothing_to_refund"
    stranger = await shop.staff("manager", "/hq/west/")
    assert (await ask_refund(stranger, order, {"quantity": 1})).status_code == 404
    guide = await shop.staff("guide", "/hq/east/s001/")
    assert (await ask_refund(guide, order, {"quantity": 1})).status_code == 403


async def test_a_manager_dismissed_or_moved_meanwhile_refunds_nothing(shop: Shop, db: Database) -> None:
    order = await paid_order(shop, await shop.customer())

    async def leave(staff_id: UUID) -> None:
        async with db.transaction() as session:
            await auth.revoke_subject(session, staff_id)

    async def move(staff_id: UUID) -> None:
        async with db.transaction() as session:
            await auth.move_scope(session, staff_id, role=Role.MANAGER, scope_path="/hq/west/s009/")

    for end, refusal in ((leave, (401, "unauthenticated")), (move, (404, "not_found"))):
        manager = await shop.staff("manager", "/hq/east/s001/")
        async with db.transaction() as session:
            await sql.execute(session, "SELECT FROM mall_order WHERE id = $1 FOR UPDATE", parse("ord", order["id"]))
            rival = beside(ask_refund(manager, order, {"quantity": 1}))
            assert await waits(session, rival)
            await beside(end(await sql.fetchval(session, "SELECT max(subject_id::text)::uuid FROM auth_family")))
        refused = await rival
        assert (refused.status_code, refused.json()["code"]) == refusal
    assert await audit(db) == []
