"""How the simulator delivers notifications: repetitions, delays, losses, forgeries, retries on the moved clock."""

from app.core.network import _transaction_open
from app.simulator.outbox import RETRY_AFTER_S
from app.wechat import TradeState
from tests.in_process import Application

from .conftest import Town


async def test_copies_are_the_same_notification(town: Town) -> None:
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/pay", repeat=5)
    await town.settled()
    assert len(town.shop.taken) == 5
    assert len({taken.id for taken in town.shop.taken}) == 1


async def test_forgeries_come_first_and_are_all_refused(town: Town) -> None:
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/pay", forge=3)
    await town.settled()
    assert town.shop.refused == ["probe", "signature", "serial"]
    assert len(town.shop.taken) == 1
    calls = await town.calls(direction="out")
    assert [(call["forged"], call["status"]) for call in calls] == [(True, 401)] * 3 + [(False, 204)]
    assert {call["out_trade_no"] for call in calls} == {number}


async def test_a_lost_notification_is_found_by_asking(town: Town) -> None:
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/pay", notify=False)
    await town.settled(advance_s=25 * 3600)
    assert town.shop.taken == []
    found = await town.pay.query(number)
    assert found is not None
    assert found.state == TradeState.SUCCESS


async def test_a_delayed_notification_comes_when_its_time_has_come(town: Town) -> None:
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/pay", delay_s=600)
    await town.settled(advance_s=500)
    assert town.shop.taken == []
    await town.settled(advance_s=101)
    assert len(town.shop.taken) == 1


async def test_a_notification_is_repeated_on_the_documented_schedule_until_it_is_taken(town: Town) -> None:
    town.shop.down = True
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/pay")
    await town.settled()
    for done, after_s in enumerate(RETRY_AFTER_S[:6], start=1):
        await town.settled(advance_s=after_s - 5)
        assert len(await town.calls(direction="out")) == done
        await town.settled(advance_s=5)
        assert len(await town.calls(direction="out")) == done + 1
    town.shop.down = False
    await town.settled(advance_s=25 * 3600)
    calls = await town.calls(direction="out")
    assert [call["attempt"] for call in calls] == list(range(1, 9))
    assert [call["status"] for call in calls] == [500] * 7 + [204]
    assert len(town.shop.taken) == 1


async def test_after_a_day_it_is_given_up(town: Town) -> None:
    assert sum(RETRY_AFTER_S) == 24 * 3600 + 4 * 60
    town.shop.down = True
    number = await town.opened()
    await town.post(f"/simulator/charges/{number}/pay")
    await town.settled(advance_s=3 * 24 * 3600)
    assert len(await town.calls(direction="out")) == 16


async def test_signatures_stay_fresh_after_the_clock_was_moved(town: Town) -> None:
    await town.settled(advance_s=30 * 24 * 3600)
    await town.paid()
    assert len(town.shop.taken) == 1


async def test_calls_are_listed_newest_first_within_the_limit(town: Town) -> None:
    number = await town.opened()
    await town.pay.query(number)
    listed = (await town.control.get("/simulator/calls", params={"limit": 1})).json()["items"]
    assert [(call["method"], call["status"], call["out_trade_no"]) for call in listed] == [("GET", 200, number)]


async def test_a_delivery_inherits_nothing_from_the_call_that_caused_it(town: Town) -> None:
    seen: list[bool] = []

    async def notice(scope, receive, send):
        seen.append(_transaction_open.get())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    number = await town.opened()
    simulator = town.simulator.state.simulator
    simulator.post = Application(notice).post
    token = _transaction_open.set(True)
    try:
        await town.post(f"/simulator/charges/{number}/pay")
        await town.settled()
    finally:
        _transaction_open.reset(token)
    assert seen == [False]
