"""Logins, phone numbers, tokens and code images."""

import asyncio

import pytest
from pydantic import SecretStr

from app.core.errors import UpstreamFailed
from app.wechat import CodeRefused, MiniProgram, WechatRefused
from tests.in_process import Application

from .conftest import Town

PNG = b"\x89PNG\r\n\x1a\n"


async def test_a_login_code_works_once(town: Town) -> None:
    buyer = await town.buyer(unionid="u_1234567")
    session = await town.mini.session(buyer["code"])
    assert (session.openid, session.unionid) == (buyer["openid"], "u_1234567")
    with pytest.raises(CodeRefused):
        await town.mini.session(buyer["code"])


async def test_the_same_buyer_gets_fresh_codes(town: Town) -> None:
    first = await town.buyer(openid="o_returning_buyer")
    second = await town.buyer(openid="o_returning_buyer")
    assert first["phone"] == second["phone"]
    assert first["code"] != second["code"]
    for given in (first, second):
        assert (await town.mini.session(given["code"])).openid == "o_returning_buyer"


async def test_a_login_without_an_open_platform_has_no_unionid(town: Town) -> None:
    assert (await town.mini.session((await town.buyer())["code"])).unionid is None


async def test_a_code_expires_and_an_unknown_one_is_refused(town: Town) -> None:
    buyer = await town.buyer()
    await town.settled(advance_s=301)
    for code in (buyer["code"], "made_up", ""):
        with pytest.raises(CodeRefused) as caught:
            await town.mini.session(code)
        assert caught.value.details == {"call": "session", "wechat_code": "40029"}
    with pytest.raises(CodeRefused):
        await town.mini.phone_number(buyer["phone_code"])


async def test_codes_are_of_two_kinds(town: Town) -> None:
    buyer = await town.buyer(phone="13800001111")
    with pytest.raises(CodeRefused):
        await town.mini.phone_number(buyer["code"])
    with pytest.raises(CodeRefused):
        await town.mini.session(buyer["phone_code"])
    assert await town.mini.phone_number(buyer["phone_code"]) == "13800001111"
    with pytest.raises(CodeRefused):
        await town.mini.phone_number(buyer["phone_code"])


async def test_a_wrong_secret_is_a_clear_refusal(town: Town) -> None:
    settings = town.settings.model_copy(update={"wechat_app_secret": SecretStr("wrong")})
    mini = MiniProgram.open(settings, send=Application(town.simulator).send)
    with pytest.raises(WechatRefused) as caught:
        await mini.session((await town.buyer())["code"])
    assert caught.value.details["wechat_code"] == "40125"
    with pytest.raises(WechatRefused):
        await mini.phone_number("code")


async def test_many_callers_share_one_token(town: Town) -> None:
    buyers = [await town.buyer() for _ in range(20)]
    phones = await asyncio.gather(*(town.mini.phone_number(buyer["phone_code"]) for buyer in buyers))
    assert phones == [buyer["phone"] for buyer in buyers]
    assert len(await town.calls(path="/cgi-bin/stable_token")) == 1


async def test_a_token_that_wechat_no_longer_takes_is_fetched_once_more(town: Town) -> None:
    await town.mini.phone_number((await town.buyer())["phone_code"])
    await town.settled(advance_s=7_300)
    buyer = await town.buyer()
    assert await town.mini.phone_number(buyer["phone_code"]) == buyer["phone"]
    assert len(await town.calls(path="/cgi-bin/stable_token")) == 2

    town.simulator.state.simulator.tokens.clear()
    assert (await town.mini.code_image(scene="tpt_1", page="pages/room")).startswith(PNG)
    assert len(await town.calls(path="/cgi-bin/stable_token")) == 3


async def test_a_code_image_is_an_image_or_a_refusal(town: Town) -> None:
    image = await town.mini.code_image(scene="tpt_01h455vb4pex5vsknk084sn02q", page="pages/product/index")
    assert image.startswith(PNG)
    for scene, page in (
        ("x" * 33, "pages/a"),
        ("100%", "pages/a"),
        ("中文", "pages/a"),
        ("", "pages/a"),
        ("s", "/pages/a"),
    ):
        with pytest.raises(WechatRefused):
            await town.mini.code_image(scene=scene, page=page)


@pytest.mark.parametrize("kind", ["timeout", "error_500", "drop_after", "too_fast"])
async def test_unclear_answers(town: Town, kind: str) -> None:
    quick = town.settings.model_copy(update={"wechat_timeout_s": 0.1})
    mini = MiniProgram.open(quick, send=Application(town.simulator).send)
    for path, call in (
        ("/sns/", lambda: mini.session("code")),
        ("/cgi-bin/", lambda: mini.phone_number("code")),
        ("/wxa/", lambda: mini.phone_number("code")),
        ("/wxa/", lambda: mini.code_image(scene="s", page="pages/a")),
    ):
        await town.fault(path, kind)
        with pytest.raises(UpstreamFailed):
            await call()
    listed = await town.control.get("/simulator/faults")
    assert listed.json() == {"items": []}
