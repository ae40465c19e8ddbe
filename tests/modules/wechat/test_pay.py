"""Charges: opening, paying, asking, closing, as the real SDK speaks and the simulator verifies."""

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from app.wechat import (
    ChargeAlreadyPaid,
    ChargeClosedAtWechat,
    RefundState,
    TradeNumberReused,
    TradeState,
    WechatRefused,
)

from .conftest import Town


async def test_the_whole_round_from_prepay_to_the_refund_notification(town: Town) -> None:
    order = await town.order()
    number = order["out_trade_no"]
    assert await town.pay.query(number) is None

    prepay_id = await town.pay.prepay(**order)
    assert prepay_id.startswith("wx")
    unpaid = await town.pay.query(number)
    assert unpaid is not None
    assert (unpaid.state, unpaid.transaction_id, unpaid.paid_at) == (TradeState.NOTPAY, None, None)

    await town.post(f"/simulator/charges/{number}/pay")
    await town.settled()
    [notification] = town.shop.taken
    assert notification.event_type == "TRANSACTION.SUCCESS"
    assert notification.mchid == town.keys.mchid
    assert notification.refund is None
    transaction = notification.transaction
    assert transaction is not None
    assert transaction.out_trade_no == number
    assert (transaction.state, transaction.amount_fen, transaction.currency) == (TradeState.SUCCESS, 12_800, "CNY")
    assert (transaction.mchid, transaction.appid) == (town.keys.mchid, town.keys.appid)
    assert transaction.payer_openid == order["payer_openid"]
    assert transaction.paid_at is not None
    assert abs(transaction.paid_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert await town.pay.query(number) == transaction

    request = town.refund_of(number, refund_fen=2_800)
    accepted = await town.pay.refund(**request)
    assert (accepted.state, accepted.refund_fen, accepted.succeeded_at) == (RefundState.PROCESSING, 2_800, None)
    await town.settled()
    refund = town.shop.taken[-1].refund
    assert refund is not None
    assert town.shop.taken[-1].event_type == "REFUND.SUCCESS"
    assert (refund.state, refund.refund_fen, refund.refund_id) == (RefundState.SUCCESS, 2_800, accepted.refund_id)
    assert refund.succeeded_at is not None
    found = await town.pay.query_refund(request["out_refund_no"])
    assert found is not None
    assert replace(found, currency=None, mchid=town.pay.mchid) == refund, "each names what the other leaves out"
    partly = await town.pay.query(number)
    assert partly is not None
    assert partly.state == TradeState.REFUND


def test_client_parameters_are_signed_with_the_merchants_key(merchant, keys) -> None:
    parameters = merchant.client_parameters("wx201410272009395522657a690389285100", keys.appid)
    assert set(parameters.model_dump()) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert parameters.signType == "RSA"
    assert parameters.package == "prepay_id=wx201410272009395522657a690389285100"
    text = f"{keys.appid}\n{parameters.timeStamp}\n{parameters.nonceStr}\n{parameters.package}\n"
    keys.merchant_public_key.verify(b64decode(parameters.paySign), text.encode(), PKCS1v15(), SHA256())


async def test_the_same_request_again_gives_a_newer_prepay_id(town: Town) -> None:
    order = await town.order()
    first, second = await town.pay.prepay(**order), await town.pay.prepay(**order)
    assert first != second


@pytest.mark.parametrize(
    "change",
    [{"amount_fen": 1}, {"description": "另一件"}, {"expires_at": datetime(2099, 1, 1, tzinfo=UTC)}],
)
async def test_changed_parameters_need_a_new_number(town: Town, change: dict) -> None:
    order = await town.order()
    await town.pay.prepay(**order)
    with pytest.raises(TradeNumberReused):
        await town.pay.prepay(**order | change)


async def test_a_paid_number_cannot_be_opened_again(town: Town) -> None:
    order = await town.order()
    await town.pay.prepay(**order)
    await town.post(f"/simulator/charges/{order['out_trade_no']}/pay")
    with pytest.raises(ChargeAlreadyPaid):
        await town.pay.prepay(**order)
    with pytest.raises(TradeNumberReused):
        await town.pay.prepay(**order | {"amount_fen": 1})


async def test_a_closed_number_stays_closed(town: Town) -> None:
    order = await town.order()
    await town.pay.prepay(**order)
    await town.pay.close(order["out_trade_no"])
    await town.pay.close(order["out_trade_no"])
    with pytest.raises(ChargeClosedAtWechat):
        await town.pay.prepay(**order)
    closed = await town.pay.query(order["out_trade_no"])
    assert closed is not None
    assert closed.state == TradeState.CLOSED
    paid = await town.control.post(f"/simulator/charges/{order['out_trade_no']}/pay")
    assert (paid.status_code, paid.json()["detail"]["code"]) == (409, "charge_closed")


async def test_closing_an_unknown_charge_is_fine_and_a_paid_one_is_told(town: Town) -> None:
    await town.pay.close("chg_never_opened")
    number = await town.paid()
    with pytest.raises(ChargeAlreadyPaid) as caught:
        await town.pay.close(number)
    assert caught.value.details == {"call": "close", "http_status": 400, "wechat_code": "ORDERPAID"}


async def test_odd_but_legal_numbers_are_signed_as_they_are_sent(town: Town) -> None:
    number = await town.opened(out_trade_no="a|b*c-d_e")
    found = await town.pay.query(number)
    assert found is not None
    assert found.out_trade_no == number
    await town.pay.close(number)


@pytest.mark.parametrize(
    "change",
    [
        {"out_trade_no": "short"},
        {"out_trade_no": "x" * 33},
        {"out_trade_no": "chg_äöü_12"},
        {"description": "长" * 128},
        {"payer_openid": "o_of_another_app"},
        {"notify_url": "https://shop.example/notify?x=1"},
        {"notify_url": "http://shop.example/notify"},
        {"notify_url": "notify"},
        {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"expires_at": datetime(2199, 1, 1, tzinfo=UTC)},
        {"appid": "wx0000000000000000"},
    ],
)
async def test_field_rules_are_enforced(town: Town, change: dict) -> None:
    with pytest.raises(WechatRefused) as caught:
        await town.pay.prepay(**await town.order(**change))
    assert caught.value.details["wechat_code"] in {"PARAM_ERROR", "APPID_MCHID_NOT_MATCH"}


async def test_an_unpaid_charge_expires_on_the_moved_clock_and_new_ones_open_after_it(town: Town) -> None:
    number = await town.opened()
    await town.settled(advance_s=14 * 60)
    alive = await town.pay.query(number)
    await town.settled(advance_s=61)
    expired = await town.pay.query(number)
    assert alive is not None
    assert expired is not None
    assert (alive.state, expired.state) == (TradeState.NOTPAY, TradeState.CLOSED)
    later = await town.opened()
    found = await town.pay.query(later)
    assert found is not None
    assert found.state == TradeState.NOTPAY


async def test_a_failed_payment_can_be_paid_after_all(town: Town) -> None:
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/fail")
    failed = await town.pay.query(number)
    assert failed is not None
    assert failed.state == TradeState.PAYERROR
    await town.post(f"/simulator/charges/{number}/pay")
    again = await town.control.post(f"/simulator/charges/{number}/pay")
    assert (again.status_code, again.json()["detail"]["code"]) == (409, "charge_paid")


async def test_a_payment_of_another_amount_is_told_as_it_is(town: Town) -> None:
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/pay", amount_fen=1)
    await town.settled()
    transaction = town.shop.taken[0].transaction
    assert transaction is not None
    assert transaction.amount_fen == 1


async def test_a_charge_can_be_asked_for_by_transaction_id(town: Town) -> None:
    number = await town.paid()
    transaction = await town.pay.query(number)
    assert transaction is not None
    status, text = await town.pay._sdk.query(transaction_id=transaction.transaction_id)
    assert status == 200
    assert number in text
