"""Words of payment that do not fit: rightly signed but changed, forged, stale, or for nothing of ours."""

from base64 import b64encode
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from app.core.db import Database
from app.core.ids import new_id, wire
from app.core.runtime import Runtime
from app.mall.orders import jobs
from app.simulator import charges as wire_charges
from app.simulator import refunds as wire_refunds
from app.simulator.signing import forged_headers
from app.wechat import RefundState, TradeState
from app.wechat.signatures import reply_text
from tests import sql
from tests.audit import audit, count, events
from tests.conftest import Drain, Stage
from tests.shop import Shop
from tests.wechat_words import Word, notify_path, paid_word, pay_in_silence, refund_word, simulator_of


def other_amount(transaction: dict[str, Any]) -> None:
    transaction["amount"] |= {"total": 1, "payer_total": 1}


def other_currency(transaction: dict[str, Any]) -> None:
    transaction["amount"] |= {"currency": "USD", "payer_currency": "USD"}


def other_merchant(transaction: dict[str, Any]) -> None:
    transaction["mchid"] = "1600000001"


def other_app(transaction: dict[str, Any]) -> None:
    transaction["appid"] = "wx0000000000000000"


def unknown_number(transaction: dict[str, Any]) -> None:
    transaction["out_trade_no"] = wire("chg", new_id())


def foreign_number(transaction: dict[str, Any]) -> None:
    transaction["out_trade_no"] = "SOMEBODY-ELSES-2026"


def other_payer(transaction: dict[str, Any]) -> None:
    transaction["payer"] = {"openid": "oSomebodyElse0000000000000"}


CHANGES = [
    (other_amount, "amount"),
    (other_currency, "currency"),
    (other_merchant, "merchant"),
    (other_app, "app"),
    (unknown_number, "unknown"),
    (foreign_number, "unknown"),
    (other_payer, "payer"),
]


@pytest.mark.parametrize(("change", "kind"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
@pytest.mark.parametrize("state", ["unpaid", "closed"])
async def test_a_changed_payment_is_refused_and_put_down_for_finance(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, change: Any, kind: str, state: str
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    charge, order_id = placed["payment"]["charge"], placed["order"]["id"]
    transaction = await pay_in_silence(stage, charge)
    if state == "closed":
        simulator_of(stage).charges[charge].state = TradeState.NOTPAY
        closed = await buyer.post(f"/v1/mall/orders/{order_id}/close", headers={"Idempotency-Key": "close"})
        assert closed.json()["status"] == "closed"
    change(transaction)
    word = paid_word(stage, transaction)
    replies = [await word.say(api) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [400] * 3
    assert replies[0].json()["code"] == "FAIL"
    assert (await buyer.get(f"/v1/mall/orders/{order_id}")).json()["status"] == state
    assert await count(db, "SELECT count(*) FROM payments_discrepancy WHERE kind = $1", kind) == 1
    assert await count(db, "SELECT count(*) FROM payments_discrepancy") == 1
    assert await events(db, "mall.order_paid") == 0
    suspense = "SELECT coalesce(-sum(amount_fen), 0)::bigint FROM ledger_entry WHERE account = 'suspense'"
    assert await count(db, suspense) == {"amount": 1, "payer": shop.price_fen}.get(kind, 0), "what landed with us"
    assert await audit(db) == []


async def test_finance_reads_what_was_put_down_and_is_told_of_it(
    api: httpx.AsyncClient, stage: Stage, shop: Shop
) -> None:
    buyer, hq = await shop.customer(), await shop.staff("hq")
    charges = []
    for change in (other_amount, other_merchant):
        placed = await buyer.order()
        transaction = await pay_in_silence(stage, placed["payment"]["charge"])
        change(transaction)
        assert (await paid_word(stage, transaction).say(api)).status_code == 400
        charges.append(placed["payment"]["charge"])
    path = "/v1/admin/payments/discrepancies"
    first = (await hq.get(path, params={"limit": 1})).json()
    rest = (await hq.get(path, params={"after": first["next"]})).json()
    seen = first["items"] + rest["items"]
    assert [(one["kind"], one["charge"]) for one in seen] == [("merchant", charges[1]), ("amount", charges[0])]
    assert (seen[1]["reported"]["amount_fen"], rest["next"]) == (1, None)
    assert (await (await shop.staff("region", "/hq/east/")).get(path)).status_code == 403
    assert 'siyu_payment_discrepancies{kind="amount"} 1.0' in (await api.get("/metrics")).text


async def test_the_right_word_still_pays_after_wrong_ones(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, drain: Drain
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    transaction = await pay_in_silence(stage, placed["payment"]["charge"])
    for change, _ in CHANGES:
        changed = {**transaction, "amount": dict(transaction["amount"])}
        change(changed)
        assert (await paid_word(stage, changed).say(api)).status_code == 400
    assert (await paid_word(stage, transaction).say(api)).status_code == 204
    assert (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()["status"] == "paid"
    await drain()
    assert await audit(db) == []


@pytest.mark.parametrize("state", ["paid", "closed and refunded"])
async def test_another_transaction_under_a_settled_number_is_put_down_for_finance(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, drain: Drain, state: str
) -> None:
    """WeChat promises one transaction per number; should it ever break that, no money passes unseen."""
    buyer = await shop.customer()
    placed = await buyer.order(100)
    charge, order_id = placed["payment"]["charge"], placed["order"]["id"]
    if state != "paid":
        await buyer.post(f"/v1/mall/orders/{order_id}/close", headers={"Idempotency-Key": "close"})
        known = simulator_of(stage).charges[charge]
        known.state = TradeState.NOTPAY
        other = await shop.customer()
        blocker = await other.order(100)
    transaction = await pay_in_silence(stage, charge)
    assert (await paid_word(stage, transaction).say(api)).status_code == 204
    if state != "paid":  # the units are free once more, so that nothing but the number speaks against the second
        await other.post(f"/v1/mall/orders/{blocker['order']['id']}/close", headers={"Idempotency-Key": "close"})
    second = transaction | {"transaction_id": "4200009999202611210000000009"}
    assert (await paid_word(stage, second).say(api)).status_code == 400
    assert (await paid_word(stage, second).say(api)).status_code == 400
    assert await count(db, "SELECT count(*) FROM payments_discrepancy WHERE kind = 'repeated'") == 1
    assert await count(db, "SELECT -sum(amount_fen)::bigint FROM ledger_entry WHERE account = 'suspense'") == (
        100 * shop.price_fen
    )
    await drain()
    assert await audit(db) == []


@pytest.mark.parametrize("state", ["unpaid", "closed"])
async def test_a_transaction_pays_one_charge_and_no_other(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, drain: Drain, state: str
) -> None:
    buyer = await shop.customer()
    first, second = await buyer.order(), await buyer.order()
    known = await pay_in_silence(stage, first["payment"]["charge"])
    told = await pay_in_silence(stage, second["payment"]["charge"])
    assert (await paid_word(stage, known).say(api)).status_code == 204
    path = f"/v1/mall/orders/{second['order']['id']}"
    if state == "closed":
        simulator_of(stage).charges[second["payment"]["charge"]].state = TradeState.NOTPAY
        await buyer.post(f"{path}/close", headers={"Idempotency-Key": "close"})
    repeated = told | {"transaction_id": known["transaction_id"]}
    assert [(await paid_word(stage, repeated).say(api)).status_code for _ in range(2)] == [400, 400]
    assert await count(db, "SELECT count(*) FROM payments_discrepancy WHERE kind = 'transaction'") == 1
    assert (await buyer.get(path)).json()["status"] == state
    assert await count(db, "SELECT reserved FROM mall_stock") == (1 if state == "unpaid" else 0)
    assert (await paid_word(stage, told).say(api)).status_code == 204
    assert (await buyer.get(path)).json()["status"] == "paid"
    await drain()
    assert await audit(db) == []


@pytest.mark.parametrize("total_fen", [-5, 2**63])
async def test_an_amount_that_cannot_be_is_no_word_of_wechats(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, total_fen: int
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    transaction = await pay_in_silence(stage, placed["payment"]["charge"])
    transaction["amount"]["total"] = total_fen
    reply = await paid_word(stage, transaction).say(api)
    assert (reply.status_code, reply.json()["code"]) == (401, "FAIL")
    assert await count(db, "SELECT count(*) FROM payments_discrepancy") == 0
    assert await audit(db) == []


def stale(stage: Stage, body: bytes) -> dict[str, str]:
    keys = simulator_of(stage).keys
    timestamp, nonce = "1700000000", "0" * 32
    text = reply_text(timestamp=timestamp, nonce=nonce, body=body)
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": keys.public_key_id,
        "Wechatpay-Signature": b64encode(keys.platform_private_key.sign(text, PKCS1v15(), SHA256())).decode(),
    }


@pytest.mark.parametrize("what", ["transactions", "refunds"])
async def test_forged_stale_and_strange_words_write_nothing(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, what: str
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    genuine = paid_word(stage, await pay_in_silence(stage, placed["payment"]["charge"]))
    keys, path = simulator_of(stage).keys, notify_path(stage, what)
    wrong = [
        *(Word(forged_headers(keys, genuine.body, turn=turn), genuine.body, path) for turn in range(3)),
        Word(stale(stage, genuine.body), genuine.body, path),
        Word(genuine.headers, genuine.body + b" ", path),
        Word({}, genuine.body, path),
        Word(genuine.headers, b"", path),
    ]
    written = """SELECT (SELECT count(*) FROM payments_discrepancy) + (SELECT count(*) FROM ledger_entry)
                 + (SELECT count(*) FROM event_outbox) + (SELECT count(*) FROM mall_order WHERE status <> 'unpaid')"""
    for word in wrong:
        reply = await word.say(api)
        assert reply.status_code == 401, reply.text
        assert reply.json()["code"] == "FAIL"
        assert "www-authenticate" not in reply.headers
    assert await count(db, written) == 0
    assert await audit(db) == []


async def test_genuine_words_at_another_address_are_refused_and_change_nothing(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    word = paid_word(stage, await pay_in_silence(stage, placed["payment"]["charge"]))
    of_another = f"/v1/payments/{wrong_merchant(stage)}/transactions/notify"
    for path, status in ((notify_path(stage, "refunds"), 400), (of_another, 404)):
        reply = await word.say(api, path)
        assert (reply.status_code, reply.json()["code"]) == (status, "FAIL")
    assert (await buyer.get(f"/v1/mall/orders/{placed['order']['id']}")).json()["status"] == "unpaid"
    assert (await word.say(api)).status_code == 204
    assert await audit(db) == []


def wrong_merchant(stage: Stage) -> str:
    return simulator_of(stage).keys.mchid[::-1]


async def test_a_refunds_word_at_the_address_of_payments_is_refused(
    api: httpx.AsyncClient, stage: Stage, db: Database
) -> None:
    told = {
        "mchid": simulator_of(stage).keys.mchid,
        "out_refund_no": wire("rfd", new_id()),
        "refund_id": "50",
        "out_trade_no": wire("chg", new_id()),
        "refund_status": "SUCCESS",
        "amount": {"total": 1, "refund": 1},
    }
    word = refund_word(stage, told, RefundState.SUCCESS)
    assert (await word.say(api, notify_path(stage, "transactions"))).status_code == 400
    assert (await word.say(api)).status_code == 204, "it is no refund of ours, and nothing is to be done"
    assert await audit(db) == []


async def test_i_paid_finds_what_no_word_told(stage: Stage, db: Database, shop: Shop, drain: Drain) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    await pay_in_silence(stage, placed["payment"]["charge"])
    confirmed = await buyer.post(f"/v1/mall/orders/{placed['order']['id']}/confirmation")
    assert confirmed.json()["status"] == "paid"
    assert confirmed.json()["payments"][0]["wechat"]["merchant_trade_no"] == placed["payment"]["charge"]
    await drain()
    assert await audit(db) == []


async def test_the_sweep_finds_what_no_word_told(
    stage: Stage, db: Database, shop: Shop, runtime: Runtime, drain: Drain
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order()
    await pay_in_silence(stage, placed["payment"]["charge"])
    path = f"/v1/mall/orders/{placed['order']['id']}"
    await jobs.close_expired(runtime)
    assert (await buyer.get(path)).json()["status"] == "unpaid", "its time is not over"
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE mall_order SET expires_at = clock_timestamp() - interval '1 second'")
    await jobs.close_expired(runtime)
    assert (await buyer.get(path)).json()["status"] == "paid"
    assert await events(db, "mall.order_paid") == 1
    await drain()
    assert await audit(db) == []


async def refund_by_hand(stage: Stage, charge: str, transaction: dict[str, Any], amount_fen: int) -> None:
    """Finance gives money back in WeChat's merchant platform, and Siyu does not hear of it."""
    simulator = simulator_of(stage)
    total_fen = transaction["amount"]["total"]
    amount = {"refund": amount_fen, "total": total_fen, "currency": "CNY"}
    wire_refunds.open_refund(simulator, {"out_refund_no": "by-hand", "out_trade_no": charge, "amount": amount})


@pytest.mark.parametrize("amount_fen", [25_600, 1])
async def test_money_given_back_elsewhere_buys_nothing_and_the_order_can_be_paid_anew(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, drain: Drain, amount_fen: int
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(2)
    charge, path = placed["payment"]["charge"], f"/v1/mall/orders/{placed['order']['id']}"
    transaction = await pay_in_silence(stage, charge)
    await refund_by_hand(stage, charge, transaction, amount_fen)
    assert (await buyer.post(f"{path}/confirmation")).json()["status"] == "unpaid"
    assert (await paid_word(stage, transaction).say(api)).status_code == 400, "an old word of payment, told again"
    assert await count(db, "SELECT count(*) FROM payments_discrepancy WHERE kind = 'refunded_elsewhere'") == 1
    assert await count(db, "SELECT count(*) FROM payments_discrepancy") == 1
    assert await count(db, "SELECT count(*) FROM ledger_entry") == 0
    again = (await buyer.post(f"{path}/payment")).json()
    assert again["charge"] != charge
    await buyer.pay({"payment": again})
    assert (await buyer.get(path)).json()["status"] == "paid"
    await drain()
    assert await audit(db) == []


async def test_an_order_whose_money_was_given_back_elsewhere_closes_and_stays_closed(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, drain: Drain
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(2)
    charge, path = placed["payment"]["charge"], f"/v1/mall/orders/{placed['order']['id']}"
    transaction = await pay_in_silence(stage, charge)
    await refund_by_hand(stage, charge, transaction, 25_600)
    closed = await buyer.post(f"{path}/close", headers={"Idempotency-Key": "close"})
    assert closed.json()["status"] == "closed"
    assert (await paid_word(stage, transaction).say(api)).status_code == 400
    assert (await buyer.post(f"{path}/confirmation")).json()["status"] == "closed"
    assert await count(db, "SELECT reserved + sold FROM mall_stock") == 0
    assert await events(db, "mall.order_paid") == 0
    await drain()
    assert await audit(db) == []


async def test_a_settled_charge_that_shows_a_refund_stays_settled(
    api: httpx.AsyncClient, stage: Stage, db: Database, shop: Shop, drain: Drain
) -> None:
    buyer = await shop.customer()
    placed = await buyer.order(2)
    await buyer.pay(placed)
    charge = placed["payment"]["charge"]
    known = simulator_of(stage).charges[charge]
    await refund_by_hand(stage, charge, wire_charges.view(simulator_of(stage), known), 1)
    shown = wire_charges.view(simulator_of(stage), known)
    assert shown["trade_state"] == "REFUND"
    assert (await paid_word(stage, shown).say(api)).status_code == 204
    assert await count(db, "SELECT count(*) FROM payments_discrepancy") == 0
    await drain()
    assert await audit(db) == []
