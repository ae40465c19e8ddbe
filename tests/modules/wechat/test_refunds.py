"""Refunds: one number refunds once, parts sum to at most the whole, outcomes follow later."""

import pytest

from app.core.errors import UpstreamFailed
from app.wechat import RefundFundsShort, RefundRefused, RefundState, TradeState

from .conftest import Town


async def test_the_same_number_refunds_once(town: Town) -> None:
    request = town.refund_of(await town.paid(), refund_fen=8_000)
    first = await town.pay.refund(**request)
    await town.settled()
    second = await town.pay.refund(**request)
    assert second.refund_id == first.refund_id
    assert second.state == RefundState.SUCCESS
    with pytest.raises(RefundRefused):
        await town.pay.refund(**request | {"refund_fen": 1})


async def test_a_lost_reply_is_cured_by_the_same_number(town: Town) -> None:
    request = town.refund_of(await town.paid())
    await town.fault("/v3/refund/", "drop_after")
    with pytest.raises(UpstreamFailed):
        await town.pay.refund(**request)
    found = await town.pay.query_refund(request["out_refund_no"])
    again = await town.pay.refund(**request)
    assert found is not None
    assert again.refund_id == found.refund_id
    await town.settled()
    assert len([taken for taken in town.shop.taken if taken.refund]) == 1


async def test_parts_sum_to_at_most_what_was_paid(town: Town) -> None:
    number = await town.paid(amount_fen=100)
    await town.pay.refund(**town.refund_of(number, refund_fen=60, total_fen=100))
    with pytest.raises(RefundRefused):
        await town.pay.refund(**town.refund_of(number, refund_fen=41, total_fen=100))
    await town.pay.refund(**town.refund_of(number, refund_fen=40, total_fen=100))
    with pytest.raises(RefundRefused):
        await town.pay.refund(**town.refund_of(number, refund_fen=1, total_fen=100))


async def test_there_are_at_most_fifty_parts(town: Town) -> None:
    number = await town.paid(amount_fen=100)
    for _ in range(50):
        await town.pay.refund(**town.refund_of(number, refund_fen=1, total_fen=100))
    with pytest.raises(RefundRefused):
        await town.pay.refund(**town.refund_of(number, refund_fen=1, total_fen=100))


async def test_only_a_known_and_paid_charge_with_its_own_total_is_refunded(town: Town) -> None:
    for request in (
        town.refund_of("chg_never_opened"),
        town.refund_of(await town.opened()),
        town.refund_of(await town.paid(), total_fen=12_801),
    ):
        with pytest.raises(RefundRefused):
            await town.pay.refund(**request)


async def test_a_year_later_it_is_too_late(town: Town) -> None:
    number = await town.paid()
    await town.settled(advance_s=366 * 24 * 3600)
    with pytest.raises(RefundRefused):
        await town.pay.refund(**town.refund_of(number))


async def test_an_unknown_refund_is_none(town: Town) -> None:
    assert await town.pay.query_refund("rfd_never_asked") is None


async def test_a_short_balance_is_its_own_refusal_and_leaves_the_number_free(town: Town) -> None:
    request = town.refund_of(await town.paid())
    await town.fault("/v3/refund/", "not_enough")
    with pytest.raises(RefundFundsShort):
        await town.pay.refund(**request)
    assert (await town.pay.refund(**request)).state == RefundState.PROCESSING


async def test_held_refunds_wait_for_their_outcome(town: Town) -> None:
    number = await town.paid()
    await town.post("/simulator/refunds/hold", hold=True)
    request = town.refund_of(number)
    await town.pay.refund(**request)
    await town.settled(advance_s=3600)
    held = await town.pay.query_refund(request["out_refund_no"])
    assert held is not None
    assert held.state == RefundState.PROCESSING

    outcome = f"/simulator/refunds/{request['out_refund_no']}/outcome"
    await town.post(outcome, state="ABNORMAL")
    await town.settled()
    assert town.shop.taken[-1].event_type == "REFUND.ABNORMAL"
    await town.post(outcome, state="SUCCESS")
    await town.settled()
    assert town.shop.taken[-1].refund is not None
    assert town.shop.taken[-1].refund.state == RefundState.SUCCESS
    final = await town.control.post(outcome, json={"state": "CLOSED"})
    assert (final.status_code, final.json()["detail"]) == (409, {"code": "refund_final", "state": "SUCCESS"})


async def test_the_controls_publish_how_they_refuse(town: Town) -> None:
    document = town.simulator.openapi()
    for path, status in (
        ("/simulator/charges/{out_trade_no}/pay", 404),
        ("/simulator/charges/{out_trade_no}/pay", 409),
        ("/simulator/charges/{out_trade_no}/fail", 404),
        ("/simulator/charges/{out_trade_no}/fail", 409),
        ("/simulator/refunds/{out_refund_no}/outcome", 404),
        ("/simulator/refunds/{out_refund_no}/outcome", 409),
    ):
        schema = document["paths"][path]["post"]["responses"][str(status)]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Refused"}
    for path, code in (("charges/x/pay", "charge_unknown"), ("refunds/x/outcome", "refund_unknown")):
        refused = await town.control.post(f"/simulator/{path}", json={"state": "CLOSED"} if "refund" in path else None)
        assert (refused.status_code, refused.json()) == (404, {"detail": {"code": code}})


async def test_a_closed_refund_gives_its_part_back(town: Town) -> None:
    number = await town.paid()
    await town.post("/simulator/refunds/hold", hold=True)
    request = town.refund_of(number)
    await town.pay.refund(**request)
    await town.post(f"/simulator/refunds/{request['out_refund_no']}/outcome", state="CLOSED")
    whole = await town.pay.query(number)
    assert whole is not None
    assert whole.state == TradeState.SUCCESS
    await town.pay.refund(**town.refund_of(number))
