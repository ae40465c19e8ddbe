"""Logins with WeChat: who somebody is, how long a login lasts, how it ends."""

import asyncio

import asyncpg
import httpx
import pytest

from app import customers
from app.core.db import Database
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.customers import flows
from tests import sql
from tests.modules.customers.logins import a_code, bearer, log_in
from tests.overlap import beside


async def test_the_first_login_makes_a_customer_and_the_next_one_finds_it(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient
) -> None:
    first = await log_in(api, simulator, openid="o-lily01")
    again = await log_in(api, simulator, openid="o-lily01")
    other = await log_in(api, simulator, openid="o-tom001")
    assert first["customer"]["id"] == again["customer"]["id"] != other["customer"]["id"]
    assert first["customer"]["nickname"] == "微信用户"
    assert first["expires_in"] == 1800


async def test_ten_logins_at_once_with_one_new_openid_make_one_customer(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    codes = [(await a_code(simulator, openid="o-eager", unionid="u-eager"))[1] for _ in range(10)]
    replies = await asyncio.gather(*(api.post("/v1/session", json={"code": code}) for code in codes))
    assert [reply.status_code for reply in replies] == [200] * 10
    assert len({reply.json()["customer"]["id"] for reply in replies}) == 1
    async with db.transaction() as session:
        assert await sql.fetchval(session, "SELECT count(*) FROM customers_customer") == 1


async def test_one_person_in_two_mini_programs_is_one_customer_at_once(db: Database) -> None:
    async def arrive(appid: str, openid: str) -> object:
        async with db.transaction() as session:
            return await customers.recognise(session, appid=appid, openid=openid, unionid="u-same")

    ids = await asyncio.gather(*(arrive(f"wx{n % 2}", f"o-{n % 2}") for n in range(8)))
    assert len(set(ids)) == 1
    async with db.transaction() as session:
        assert await sql.fetchval(session, "SELECT count(*) FROM customers_customer") == 1
        assert await customers.openid_of(session, ids[0], "wx1") == "o-1"


async def test_a_login_code_works_once(api: httpx.AsyncClient, simulator: httpx.AsyncClient) -> None:
    _, code = await a_code(simulator)
    assert (await api.post("/v1/session", json={"code": code})).status_code == 200
    refused = await api.post("/v1/session", json={"code": code})
    assert (refused.status_code, refused.json()["code"]) == (422, "code_refused")


async def test_a_login_names_a_mini_program_of_the_brand_or_none(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database, settings: Settings
) -> None:
    _, code = await a_code(simulator)
    foreign = await api.post("/v1/session", json={"code": code, "appid": "wx0000000000000000"})
    assert (foreign.status_code, foreign.json()["code"]) == (422, "appid_unknown")
    assert foreign.json()["details"] == {"appid": "wx0000000000000000"}
    named = await api.post("/v1/session", json={"code": code, "appid": settings.wechat_appid})
    assert named.status_code == 200, "the code was not spent by the refusal"
    async with db.transaction() as session:
        assert await sql.fetchval(session, "SELECT appid FROM customers_identity") == settings.wechat_appid


async def test_using_an_old_refresh_token_again_ends_the_whole_login(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient
) -> None:
    session = await log_in(api, simulator)
    rotated = await api.post("/v1/session/refresh", json={"refresh_token": session["refresh_token"]})
    assert rotated.status_code == 200
    assert rotated.json()["customer"]["id"] == session["customer"]["id"]
    stolen = await api.post("/v1/session/refresh", json={"refresh_token": session["refresh_token"]})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh_reused")
    ended = await api.post("/v1/session/refresh", json={"refresh_token": rotated.json()["refresh_token"]})
    assert (ended.status_code, ended.json()["code"]) == (401, "unauthenticated")
    last = await api.get("/v1/me", headers=bearer(rotated.json()))
    assert last.status_code == 200, "a customer's access token is not looked up: it runs out"


async def test_after_a_lost_reply_a_login_needs_a_fresh_code(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient
) -> None:
    openid, code = await a_code(simulator)
    await simulator.post("/simulator/faults", json={"path_prefix": "/sns/", "kind": "drop_after", "times": 1})
    lost = await api.post("/v1/session", json={"code": code})
    assert (lost.status_code, lost.json()["code"]) == (502, "upstream_failed")
    again = await api.post("/v1/session", json={"code": code})
    assert (again.status_code, again.json()["code"]) == (422, "code_refused")
    await log_in(api, simulator, openid=openid)


async def test_a_refresh_that_the_database_cannot_answer_spends_nothing(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database, redis: Redis, settings: Settings
) -> None:
    session = await log_in(api, simulator)
    impatient = Database(settings.model_copy(update={"lock_timeout_ms": 50}), connections=1)
    async with db.transaction() as other:
        await sql.execute(other, "LOCK TABLE customers_customer IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await beside(flows.refresh_session(Runtime(settings, impatient, redis), session["refresh_token"]))
    await impatient.close()
    again = await api.post("/v1/session/refresh", json={"refresh_token": session["refresh_token"]})
    assert again.status_code == 200
    assert again.json()["customer"]["id"] == session["customer"]["id"]


async def test_logging_out_ends_the_refresh_token(api: httpx.AsyncClient, simulator: httpx.AsyncClient) -> None:
    session = await log_in(api, simulator)
    assert (await api.delete("/v1/session", headers=bearer(session))).status_code == 204
    refused = await api.post("/v1/session/refresh", json={"refresh_token": session["refresh_token"]})
    assert refused.status_code == 401


async def test_nobody_logs_out_without_a_login(api: httpx.AsyncClient) -> None:
    assert (await api.delete("/v1/session")).status_code == 401
    assert (await api.delete("/v1/session", headers={"Authorization": "Bearer nonsense"})).status_code == 401
