"""The wire itself: faults of the SDK that are cured, unclear answers, forged replies, and the rule about transactions."""

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import UpstreamFailed
from app.core.network import NetworkInsideTransaction, _transaction_open
from app.core.settings import Settings
from app.simulator import make_keys, settings_for
from app.wechat import MiniProgram, TradeState, WechatPay, WechatRefused
from tests.in_process import Application

from .conftest import WECHAT, Town


async def test_a_post_without_a_body_is_rightly_signed(town: Town) -> None:
    """The SDK sends `null` under a signature of nothing; past the signature, the simulator knows no such address."""
    status, text = await town.pay._sdk.mch_transfer_bills_cancel(out_bill_no="wd_1")
    assert (status, "RESOURCE_NOT_EXISTS" in text) == (404, True)


async def test_a_wrong_merchant_key_is_a_clear_refusal(town: Town) -> None:
    stranger = settings_for(town.settings, make_keys(), WECHAT).wechat_mch_private_key
    settings = town.settings.model_copy(update={"wechat_mch_private_key": stranger})
    pay = WechatPay.open(settings, send=Application(town.simulator).send)
    with pytest.raises(WechatRefused) as caught:
        await pay.query("chg_unknown")
    assert caught.value.details["wechat_code"] == "SIGN_ERROR"


@pytest.mark.parametrize("change", ["wechat_pay_public_key", "wechat_pay_public_key_id"])
async def test_a_success_signed_by_another_key_is_not_believed(town: Town, change: str) -> None:
    other = getattr(settings_for(town.settings, make_keys(), WECHAT), change)
    settings = town.settings.model_copy(update={change: other})
    order = await town.order()
    pay = WechatPay.open(settings, send=Application(town.simulator).send)
    with pytest.raises((UpstreamFailed, WechatRefused)):
        await pay.prepay(**order)


class Meddler:
    """A stranger between the simulator and us, who changes one header of each reply."""

    def __init__(self, app: ASGIApp, name: bytes, value: bytes | None) -> None:
        self.app, self.name, self.value = app, name, value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def meddled(message):
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != self.name]
                message["headers"] = kept + ([] if self.value is None else [(self.name, self.value)])
            await send(message)

        await self.app(scope, receive, meddled)


@pytest.mark.parametrize("value", [None, b"5157F09EFDC096DE15EBE81A47057A7232F1B8E1", b"1"])
@pytest.mark.parametrize(
    "name",
    [
        b"wechatpay-serial",
        b"wechatpay-timestamp",
        b"wechatpay-signature",
        b"wechatpay-nonce",
        b"wechatpay-signature-type",
    ],
)
async def test_a_success_without_a_good_signature_is_not_believed(town: Town, name: bytes, value: bytes | None) -> None:
    order = await town.order()
    pay = WechatPay.open(town.settings, send=Application(Meddler(town.simulator, name, value)).send)
    with pytest.raises(UpstreamFailed) as caught:
        await pay.prepay(**order)
    assert caught.value.details["reason"] == "unverified"
    # An unknown serial must not make the SDK fetch certificates.
    assert await town.calls(path="/v3/certificates") == []


async def test_timeouts_and_server_errors_are_unclear(town: Town) -> None:
    quick = town.settings.model_copy(update={"wechat_timeout_s": 0.1})
    pay = WechatPay.open(quick, send=Application(town.simulator).send)
    number = await town.opened()
    for kind in ("timeout", "error_500", "too_fast", "drop_after"):
        await town.fault("/v3/pay/transactions/out-trade-no/", kind)
        with pytest.raises(UpstreamFailed):
            await pay.query(number)
    found = await pay.query(number)
    assert found is not None
    assert found.state == TradeState.NOTPAY


async def test_an_effect_whose_reply_was_lost_has_happened(town: Town) -> None:
    number = await town.opened()
    await town.fault("/v3/pay/", "drop_after")
    with pytest.raises(UpstreamFailed) as caught:
        await town.pay.close(number)
    assert caught.value.details == {"call": "close", "reason": "transport"}
    closed = await town.pay.query(number)
    assert closed is not None
    assert closed.state == TradeState.CLOSED


async def test_nobody_there_is_unclear(settings: Settings) -> None:
    nowhere = settings.model_copy(
        update={"wechat_pay_base": "http://127.0.0.1:9", "wechat_api_base": "http://127.0.0.1:9"}
    )
    pay, mini = WechatPay.open(nowhere), MiniProgram.open(nowhere)
    with pytest.raises(UpstreamFailed):
        await pay.query("chg_unknown")
    with pytest.raises(UpstreamFailed):
        await mini.session("code")
    await pay.close_client()
    await mini.close_client()


async def test_no_call_inside_a_transaction(town: Town) -> None:
    order = await town.order()
    calls = [
        lambda: town.pay.prepay(**order),
        lambda: town.pay.query("chg_unknown"),
        lambda: town.pay.close("chg_unknown"),
        lambda: town.pay.refund(**town.refund_of("chg_unknown")),
        lambda: town.pay.query_refund("rfd_unknown"),
        lambda: town.mini.session("code"),
        lambda: town.mini.phone_number("code"),
        lambda: town.mini.code_image(scene="s", page="pages/index"),
    ]
    before = len(await town.calls())
    token = _transaction_open.set(True)
    try:
        for call in calls:
            with pytest.raises(NetworkInsideTransaction):
                await call()
    finally:
        _transaction_open.reset(token)
    assert len(await town.calls()) == before
