"""What a customer keeps with us: nickname, phone number, addresses; and that nobody else reads it."""

from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app import customers
from app.core.db import Database
from app.core.ids import new_id, parse
from app.core.sealed import Unsealable, blind_index, seal, unseal
from app.core.settings import Settings
from app.customers.rules import mask, mask_phone
from tests import sql
from tests.modules.customers.logins import bearer, log_in

ADDRESS = {
    "name": "李雷",
    "phone": "13812345678",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "detail": "文三路 100 号",
}


async def test_a_customer_takes_a_name_and_others_see_it_masked(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    session = await log_in(api, simulator)
    body = {"nickname": "Lily", "avatar_url": "https://cdn.example.com/lily.png"}
    reply = await api.put("/v1/me", json=body, headers=bearer(session))
    assert reply.json() | body == reply.json()
    customer_id = parse("cus", session["customer"]["id"])
    async with db.transaction() as tx:
        assert await customers.masked_names(tx, [customer_id, new_id()]) == {customer_id: "L**"}
        assert await customers.nickname(tx, customer_id) == "Lily"


@pytest.mark.parametrize(
    "body",
    [
        {"nickname": ""},
        {"nickname": "x" * 33},
        {"nickname": "a\x00b"},
        {"nickname": "Lily", "avatar_url": "http://cdn.example.com/lily.png"},
        {"nickname": "Lily", "id": "cus_01h455vb4pex5vsknk084sn02q"},
    ],
)
async def test_a_name_that_does_not_fit_is_refused(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, body: dict[str, str]
) -> None:
    session = await log_in(api, simulator)
    reply = await api.put("/v1/me", json=body, headers=bearer(session))
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")


async def test_a_phone_number_comes_from_wechat_and_is_shown_masked_only(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database, settings: Settings
) -> None:
    buyer = (await simulator.post("/simulator/buyers", json={"openid": "o-phone", "phone": "13912345678"})).json()
    session = (await api.post("/v1/session", json={"code": buyer["code"]})).json()
    wrong_kind = await api.post("/v1/me/phone", json={"code": buyer["code"]}, headers=bearer(session))
    assert wrong_kind.json()["code"] == "code_refused"
    given = await api.post("/v1/me/phone", json={"code": buyer["phone_code"]}, headers=bearer(session))
    assert given.json() == {"phone": "139****5678"}
    assert (await api.get("/v1/me", headers=bearer(session))).json()["phone"] == "139****5678"
    async with db.transaction() as tx:
        row = (await sql.fetch(tx, "SELECT phone_cipher, phone_index FROM customers_customer"))[0]
    assert b"13912345678" not in row["phone_cipher"]
    assert unseal(settings, row["phone_cipher"]) == "13912345678"
    assert row["phone_index"] == blind_index(settings, "13912345678")


async def test_an_address_is_read_and_changed_by_its_owner_only(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient
) -> None:
    lily, tom = await log_in(api, simulator), await log_in(api, simulator)
    made = await api.post("/v1/me/addresses", json=ADDRESS, headers=bearer(lily))
    assert made.status_code == 201
    where = f"/v1/me/addresses/{made.json()['id']}"
    assert (await api.get(where, headers=bearer(lily))).json() == made.json() == made.json() | ADDRESS
    changed = {**ADDRESS, "name": "X", "version": 1}
    for refused in (
        await api.get(where, headers=bearer(tom)),
        await api.put(where, json=changed, headers=bearer(tom)),
        await api.delete(where, headers=bearer(tom)),
    ):
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert (await api.get("/v1/me/addresses", headers=bearer(tom))).json() == {
        "items": [],
        "next": None,
        "count": None,
    }
    assert (await api.delete(where, headers=bearer(lily))).status_code == 204
    assert (await api.get(where, headers=bearer(lily))).status_code == 404


async def test_a_stale_version_does_not_overwrite_an_address(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient
) -> None:
    session = await log_in(api, simulator)
    made = (await api.post("/v1/me/addresses", json=ADDRESS, headers=bearer(session))).json()
    where = f"/v1/me/addresses/{made['id']}"
    first = await api.put(where, json={**ADDRESS, "name": "A", "version": 1}, headers=bearer(session))
    assert (first.status_code, first.json()["version"], first.json()["name"]) == (200, 2, "A")
    stale = await api.put(where, json={**ADDRESS, "name": "B", "version": 1}, headers=bearer(session))
    assert (stale.status_code, stale.json()["code"]) == (409, "version_conflict")
    assert stale.json()["details"] == {"version": 2}


async def test_the_address_book_holds_twenty(api: httpx.AsyncClient, simulator: httpx.AsyncClient) -> None:
    session = await log_in(api, simulator)
    for _ in range(20):
        assert (await api.post("/v1/me/addresses", json=ADDRESS, headers=bearer(session))).status_code == 201
    full = await api.post("/v1/me/addresses", json=ADDRESS, headers=bearer(session))
    assert (full.status_code, full.json()["code"], full.json()["details"]) == (409, "addresses_full", {"limit": 20})
    page = (await api.get("/v1/me/addresses?limit=15", headers=bearer(session))).json()
    rest = (await api.get(f"/v1/me/addresses?limit=15&after={page['next']}", headers=bearer(session))).json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (15, 5, None)
    counted = (await api.get("/v1/me/addresses?limit=15&count=true", headers=bearer(session))).json()
    assert (len(counted["items"]), counted["count"]) == (15, 20)
    bad = await api.get("/v1/me/addresses?after=nonsense", headers=bearer(session))
    assert bad.json()["code"] == "cursor_invalid"


async def test_who_lives_where_is_sealed_in_the_database(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    session = await log_in(api, simulator)
    await api.post("/v1/me/addresses", json=ADDRESS, headers=bearer(session))
    async with db.transaction() as tx:
        (stored,) = await sql.fetch(tx, "SELECT * FROM customers_address")
    for secret in ("name", "phone", "detail"):
        assert ADDRESS[secret].encode() not in stored["cipher"]
        assert ADDRESS[secret] not in stored.values()


def with_keys(field_key: str) -> Settings:
    return Settings(field_key=SecretStr(field_key), data_dir=Path("unused"), _env_file=None)


def test_a_new_key_in_front_still_opens_what_the_old_one_sealed() -> None:
    old, new, both = with_keys("o" * 32), with_keys("n" * 32), with_keys(f"{'n' * 32} {'o' * 32}")
    sealed = seal(old, "文三路 100 号")
    assert unseal(both, sealed) == "文三路 100 号"
    assert unseal(new, seal(both, "x")) == "x"
    with pytest.raises(Unsealable):
        unseal(new, sealed)
    with pytest.raises(Unsealable):
        unseal(old, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert seal(old, "x") != seal(old, "x")
    assert blind_index(old, "x") == blind_index(old, "x") != blind_index(new, "x")


def test_masks_show_enough_to_recognise_and_no_more() -> None:
    assert [mask("Lily"), mask("微信用户"), mask("")] == ["L**", "微**", "**"]
    assert [mask_phone("13812345678"), mask_phone("+85291234567"), mask_phone("12345")] == [
        "138****5678",
        "+85*****4567",
        "***45",
    ]
