"""People change their own passwords: who set the first one knows it no more."""

import asyncio

import httpx
import pytest

from app.core.db import Database
from tests.modules.stores.chain import PASSWORD, Chain, build

OWN = "/v1/admin/me/password"
NEW = "one of my own"


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


async def log_in(api: httpx.AsyncClient, password: str) -> int:
    return (await api.post("/v1/admin/session", json={"login": "guide.north", "password": password})).status_code


async def test_a_new_password_ends_every_login_but_the_one_it_answers(api: httpx.AsyncClient, chain: Chain) -> None:
    guide = chain.people["guide.north"]
    changed = await api.put(OWN, json={"password": PASSWORD, "new_password": NEW}, headers=guide.headers)
    assert changed.status_code == 200, changed.text
    session = changed.json()
    assert session["staff"]["id"] == guide.id
    assert (await api.get("/v1/admin/me", headers=guide.headers)).status_code == 401
    refreshed = await api.post("/v1/session/refresh", json={"refresh_token": guide.session["refresh_token"]})
    assert refreshed.status_code == 401
    again = {"Authorization": f"Bearer {session['access_token']}"}
    assert (await api.get("/v1/admin/me", headers=again)).json()["id"] == guide.id
    assert [await log_in(api, password) for password in (PASSWORD, NEW)] == [401, 200]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"password": "not the password", "new_password": NEW}, (403, "password_wrong")),
        ({"password": PASSWORD, "new_password": "short"}, (422, "validation_failed")),
        ({"password": PASSWORD}, (422, "validation_failed")),
        ({"password": "", "new_password": NEW}, (422, "validation_failed")),
    ],
)
async def test_a_wrong_change_leaves_everything_as_it_is(
    api: httpx.AsyncClient, chain: Chain, body: dict[str, str], refusal: tuple[int, str]
) -> None:
    guide = chain.people["guide.north"]
    refused = await api.put(OWN, json=body, headers=guide.headers)
    assert (refused.status_code, refused.json()["code"]) == refusal
    assert NEW not in refused.text
    assert (await api.get("/v1/admin/me", headers=guide.headers)).status_code == 200
    assert [await log_in(api, password) for password in (PASSWORD, NEW)] == [200, 401]


async def test_of_two_changes_at_once_one_counts(api: httpx.AsyncClient, chain: Chain) -> None:
    guide = chain.people["guide.north"]
    wanted = [f"my password {number}" for number in range(4)]
    replies = await asyncio.gather(
        *(api.put(OWN, json={"password": PASSWORD, "new_password": new}, headers=guide.headers) for new in wanted)
    )
    done = [reply.status_code for reply in replies]
    assert done.count(200) == 1
    assert set(done) <= {200, 401, 403}
    assert [await log_in(api, new) == 200 for new in wanted] == [status == 200 for status in done]
