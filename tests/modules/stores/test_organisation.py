"""Units, stores and staff: who may make, see and change what."""

import asyncio

import httpx
import pytest

from app import stores
from app.core.auth import Actor, Kind, Role
from app.core.db import Database
from app.core.errors import NotFound
from app.core.ids import new_id, parse
from app.stores import LoginTaken, organisation
from app.stores.schemas import UnitCreate
from tests import sql
from tests.modules.customers import logins
from tests.modules.stores.chain import PASSWORD, Chain, a_store, actor_of, build, first_headquarters, log_in, somebody
from tests.overlap import beside, waits

UNITS, STORES, STAFF = "/v1/admin/stores/units", "/v1/admin/stores/stores", "/v1/admin/stores/staff"


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


async def test_the_first_headquarters_login_comes_from_the_command_line(api: httpx.AsyncClient, db: Database) -> None:
    boss = await first_headquarters(api, db)
    me = (await api.get("/v1/admin/me", headers=boss.headers)).json()
    assert (me["role"], me["scope_path"], me["login"]) == ("hq", "/hq/", "boss")
    with pytest.raises(LoginTaken):
        await first_headquarters(api, db)
    await first_headquarters(api, db, login="second")
    async with db.transaction() as session:
        assert await sql.fetchval(session, "SELECT count(*) FROM stores_unit") == 1


async def test_a_wrong_password_and_an_unknown_login_answer_alike(api: httpx.AsyncClient, db: Database) -> None:
    await first_headquarters(api, db)
    wrong = await api.post("/v1/admin/session", json={"login": "boss", "password": "not the password"})
    unknown = await api.post("/v1/admin/session", json={"login": "nobody", "password": PASSWORD})
    for reply in (wrong, unknown):
        assert (reply.status_code, reply.json()["code"]) == (401, "login_failed")
    assert wrong.json()["detail"] == unknown.json()["detail"]


async def test_staff_refresh_and_log_out_as_customers_do(api: httpx.AsyncClient, db: Database) -> None:
    boss = await first_headquarters(api, db)
    rotated = await api.post("/v1/session/refresh", json={"refresh_token": boss.session["refresh_token"]})
    assert (rotated.status_code, rotated.json()["customer"]) == (200, None)
    headers = {"Authorization": f"Bearer {rotated.json()['access_token']}"}
    assert (await api.get("/v1/admin/me", headers=headers)).status_code == 200
    assert (await api.delete("/v1/session", headers=headers)).status_code == 204
    assert (await api.get("/v1/admin/me", headers=headers)).status_code == 401
    assert (await api.get("/v1/admin/me", headers=boss.headers)).status_code == 401


async def test_a_store_opens_with_its_stock_place_and_a_path_below_its_unit(chain: Chain, db: Database) -> None:
    store = chain.stores["s001"]
    assert store["path"] == "/hq/north/s001/"
    async with db.transaction() as session:
        place = await sql.fetch(
            session, "SELECT name, scope_path, status FROM mall_place WHERE id = $1", parse("sto", store["id"])
        )
    assert [tuple(row) for row in place] == [("店 s001", "/hq/north/s001/", "open")]


async def test_a_code_is_used_once_for_units_and_stores_alike(chain: Chain, api: httpx.AsyncClient) -> None:
    north = chain.units["north"]["id"]
    for reply in (
        await api.post(STORES, json=a_store(north, "s001"), headers=chain.hq.headers),
        await api.post(STORES, json=a_store(north, "south"), headers=chain.hq.headers),
        await api.post(UNITS, json={"parent": north, "code": "s002", "name": "x"}, headers=chain.hq.headers),
        await api.post(UNITS, json={"parent": north, "code": "hq", "name": "x"}, headers=chain.hq.headers),
    ):
        assert (reply.status_code, reply.json()["code"]) == (409, "organisation_code_taken")
    bad = await api.post(STORES, json=a_store(north, "S%1"), headers=chain.hq.headers)
    assert bad.json()["code"] == "validation_failed"


async def test_two_stores_with_one_code_at_once_make_one(chain: Chain, api: httpx.AsyncClient) -> None:
    replies = await asyncio.gather(
        *(
            api.post(STORES, json=a_store(chain.units[unit]["id"], "s100"), headers=chain.hq.headers)
            for unit in ("north", "south") * 3
        )
    )
    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409, 409, 409]


async def test_a_unit_and_a_store_opened_at_once_do_not_share_a_code(
    chain: Chain, api: httpx.AsyncClient, db: Database
) -> None:
    headquarters = await actor_of(db, chain.hq)
    region = UnitCreate.model_validate({"parent": chain.units["north"]["id"], "code": "x1", "name": "x"})
    async with db.transaction() as session:
        await organisation.create_unit(session, headquarters, region)
        store = beside(api.post(STORES, json=a_store(chain.units["south"]["id"], "x1"), headers=chain.hq.headers))
        assert await waits(session, store)
    taken = await store
    assert (taken.status_code, taken.json()["code"]) == (409, "organisation_code_taken")


async def test_staff_see_what_lies_below_their_own_path(chain: Chain, api: httpx.AsyncClient) -> None:
    async def codes(who: str, where: str) -> list[str]:
        headers = chain.hq.headers if who == "hq" else chain.people[who].headers
        reply = await api.get(where, headers=headers)
        assert reply.status_code == 200, reply.text
        return [item.get("code") or item["login"] for item in reply.json()["items"]]

    assert await codes("hq", UNITS) == ["hq", "north", "south"]
    assert await codes("region.north", UNITS) == ["north"]
    assert await codes("manager.north", UNITS) == []
    assert await codes("hq", STORES) == ["s001", "s002"]
    assert await codes("region.south", STORES) == ["s002"]
    assert await codes("manager.north", STORES) == ["s001"]
    assert await codes("guide.south", STORES) == ["s002"]
    assert len(await codes("hq", STAFF)) == 7
    assert await codes("region.north", STAFF) == ["region.north", "manager.north", "guide.north"]
    assert await codes("manager.south", STAFF) == ["manager.south", "guide.south"]
    refused = await api.get(STAFF, headers=chain.people["guide.north"].headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_what_lies_outside_answers_not_found(chain: Chain, api: httpx.AsyncClient) -> None:
    north, south = chain.people["region.north"].headers, chain.people["guide.south"]
    store = chain.stores["s002"]
    body = {k: store[k] for k in ("name", "city", "address", "latitude", "longitude", "phone", "status", "version")}
    for reply in (
        await api.get(f"{UNITS}/{chain.units['south']['id']}", headers=north),
        await api.get(f"{UNITS}/{chain.units['hq']['id']}", headers=north),
        await api.get(f"{STORES}/{store['id']}", headers=north),
        await api.put(f"{STORES}/{store['id']}", json=body, headers=north),
        await api.post(STORES, json=a_store(chain.units["south"]["id"], "s200"), headers=north),
        await api.get(f"{STAFF}/{south.id}", headers=north),
        await api.post(STAFF, json=somebody("guide", "x.x", store=store["id"]), headers=north),
        await api.post(STAFF, json=somebody("region", "y.y", unit=chain.units["south"]["id"]), headers=north),
        await api.put(
            f"{STAFF}/{south.id}",
            json={"role": "guide", "store": store["id"], "name": "x", "status": "left", "version": 1},
            headers=north,
        ),
    ):
        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("who", "role", "status", "code"),
    [
        ("guide.north", "guide", 403, "forbidden"),
        ("manager.north", "guide", 201, None),
        ("manager.north", "manager", 403, "role_not_grantable"),
        ("region.north", "manager", 201, None),
        ("region.north", "region", 201, None),
        ("region.north", "hq", 403, "role_not_grantable"),
        ("hq", "hq", 201, None),
        ("hq", "region", 201, None),
    ],
)
async def test_nobody_adds_staff_above_their_own_role(
    chain: Chain, api: httpx.AsyncClient, who: str, role: str, status: int, code: str | None
) -> None:
    headers = chain.hq.headers if who == "hq" else chain.people[who].headers
    where = {
        "guide": {"store": chain.stores["s001"]["id"]},
        "manager": {"store": chain.stores["s001"]["id"]},
        "region": {"unit": chain.units["north"]["id"]},
        "hq": {"unit": chain.units["hq"]["id"]},
    }[role]
    reply = await api.post(STAFF, json=somebody(role, "new.one", **where), headers=headers)
    assert (reply.status_code, reply.json().get("code")) == (status, code)


async def test_roles_and_places_go_together(chain: Chain, api: httpx.AsyncClient) -> None:
    hq = chain.hq.headers
    store, north, root = chain.stores["s001"]["id"], chain.units["north"]["id"], chain.units["hq"]["id"]
    for where in ({}, {"unit": north}, {"unit": north, "store": store}):
        reply = await api.post(STAFF, json=somebody("guide", "a.a", **where), headers=hq)
        assert reply.json()["code"] == "validation_failed"
    for role, unit in (("region", root), ("hq", north)):
        reply = await api.post(STAFF, json=somebody(role, "a.a", unit=unit), headers=hq)
        assert (reply.status_code, reply.json()["code"]) == (422, "post_mismatch")
    taken = await api.post(STAFF, json=somebody("guide", "guide.north", store=store), headers=hq)
    assert (taken.status_code, taken.json()["code"]) == (409, "login_taken")
    unknown = somebody("guide", "b.b", store=store, customer="cus_01h455vb4pex5vsknk084sn02q")
    assert (await api.post(STAFF, json=unknown, headers=hq)).json()["code"] == "not_found"


async def promoter(db: Database, staff_id: object) -> list[tuple[object, ...]]:
    async with db.transaction() as session:
        rows = await sql.fetch(
            session,
            """SELECT p.kind, s.code, p.person_id IS NOT NULL, p.valid_to IS NULL
               FROM attribution_promoter p JOIN stores_store s ON s.id = p.store_id
               WHERE p.promoter_id = $1 ORDER BY p.valid_from""",
            staff_id,
        )
    return [tuple(row) for row in rows]


async def test_a_guide_who_left_is_refused_with_the_next_request(
    chain: Chain, api: httpx.AsyncClient, db: Database
) -> None:
    guide = chain.people["guide.north"]
    assert await promoter(db, guide.key) == [("guide", "s001", False, True)]
    assert (await api.get("/v1/admin/me", headers=guide.headers)).status_code == 200
    leaving = {
        "role": "guide",
        "store": chain.stores["s001"]["id"],
        "name": "x",
        "status": "left",
        "version": 1,
    }
    manager = chain.people["manager.north"].headers
    assert (await api.put(f"{STAFF}/{guide.id}", json=leaving, headers=manager)).status_code == 200
    gone = await api.get("/v1/admin/me", headers=guide.headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "unauthenticated")
    refresh = await api.post("/v1/session/refresh", json={"refresh_token": guide.session["refresh_token"]})
    assert refresh.status_code == 401
    again = await api.post("/v1/admin/session", json={"login": "guide.north", "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (401, "login_failed")
    assert await promoter(db, guide.key) == [("guide", "s001", False, False)]


async def test_a_guide_who_moves_reaches_and_earns_for_the_new_store(
    chain: Chain, api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    guide = chain.people["guide.north"]
    moved = {
        "role": "guide",
        "store": chain.stores["s002"]["id"],
        "name": "x",
        "status": "active",
        "version": 1,
    }
    assert (await api.put(f"{STAFF}/{guide.id}", json=moved, headers=chain.hq.headers)).status_code == 200
    seen = await api.get(STORES, headers=guide.headers)
    assert [store["code"] for store in seen.json()["items"]] == ["s002"]
    customer = (await logins.log_in(api, simulator))["customer"]["id"]
    known = moved | {"customer": customer, "version": 2}
    assert (await api.put(f"{STAFF}/{guide.id}", json=known, headers=chain.hq.headers)).status_code == 200
    head = {"role": "region", "unit": chain.units["south"]["id"], "name": "x", "status": "active", "version": 3}
    assert (await api.put(f"{STAFF}/{guide.id}", json=head, headers=chain.hq.headers)).json()["role"] == "region"
    assert await promoter(db, guide.key) == [
        ("guide", "s001", False, False),
        ("guide", "s002", False, False),
        ("guide", "s002", True, False),
    ]
    assert (await api.get(STAFF, headers=guide.headers)).status_code == 200


async def test_a_new_password_ends_the_old_logins(chain: Chain, api: httpx.AsyncClient) -> None:
    guide = chain.people["guide.north"]
    body = {
        "role": "guide",
        "store": chain.stores["s001"]["id"],
        "name": "x",
        "status": "active",
        "password": "another long secret",
        "version": 1,
    }
    reply = await api.put(f"{STAFF}/{guide.id}", json=body, headers=chain.people["manager.north"].headers)
    assert reply.status_code == 200
    assert "password" not in reply.text
    assert (await api.get("/v1/admin/me", headers=guide.headers)).status_code == 401
    await log_in(api, "guide.north", "another long secret")


async def test_a_stale_version_changes_nothing(chain: Chain, api: httpx.AsyncClient) -> None:
    hq = chain.hq.headers
    unit, store, guide = chain.units["north"], chain.stores["s001"], chain.people["guide.north"]
    fields = {k: store[k] for k in ("name", "city", "address", "latitude", "longitude", "phone", "status")}
    person = {"role": "guide", "store": store["id"], "name": "x", "status": "active"}
    for where, body in (
        (f"{UNITS}/{unit['id']}", {"name": "华北"}),
        (f"{STORES}/{store['id']}", fields | {"name": "新店"}),
        (f"{STAFF}/{guide.id}", person),
    ):
        first = await api.put(where, json=body | {"version": 1}, headers=hq)
        assert (first.status_code, first.json()["version"]) == (200, 2)
        stale = await api.put(where, json=body | {"name": "B", "version": 1}, headers=hq)
        assert (stale.status_code, stale.json()["code"], stale.json()["details"]) == (
            409,
            "version_conflict",
            {"version": 2},
        )
        assert (await api.get(where, headers=hq)).json()["name"] == body["name"]


async def test_nobody_dismisses_or_demotes_themselves(chain: Chain, api: httpx.AsyncClient) -> None:
    own = {"role": "hq", "unit": chain.units["hq"]["id"], "name": "x", "status": "left", "version": 1}
    refused = await api.put(f"{STAFF}/{chain.hq.id}", json=own, headers=chain.hq.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "role_not_grantable")
    renamed = await api.put(f"{STAFF}/{chain.hq.id}", json=own | {"status": "active"}, headers=chain.hq.headers)
    assert renamed.status_code == 200


async def test_a_closed_store_sells_nothing_and_customers_do_not_find_it(
    chain: Chain, api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    customer = logins.bearer(await logins.log_in(api, simulator))
    store = chain.stores["s001"]
    body = {k: store[k] for k in ("name", "city", "address", "latitude", "longitude", "phone", "version")}
    closed = await api.put(f"{STORES}/{store['id']}", json=body | {"status": "closed"}, headers=chain.hq.headers)
    assert closed.json()["status"] == "closed"
    found = (await api.get("/v1/stores", headers=customer)).json()["items"]
    assert [item["id"] for item in found] == [chain.stores["s002"]["id"]]
    chosen = await api.put("/v1/me/store", json={"store": store["id"]}, headers=customer)
    assert chosen.status_code == 404
    assert (await api.get("/v1/me/store", headers=customer)).json() == {"store": None}
    shelf = await api.get("/v1/mall/products", params={"store": store["id"]}, headers=customer)
    assert (shelf.status_code, shelf.json()["code"]) == (404, "not_found"), "nor its prices and stock"
    mine = (await api.put("/v1/me/store", json={"store": found[0]["id"]}, headers=customer)).json()
    assert (await api.get("/v1/me/store", headers=customer)).json() == {"store": mine}
    async with db.transaction() as session:
        assert (
            await sql.fetchval(session, "SELECT status FROM mall_place WHERE id = $1", parse("sto", store["id"]))
            == "closed"
        )


async def test_the_nearest_store_comes_first(
    chain: Chain, api: httpx.AsyncClient, simulator: httpx.AsyncClient
) -> None:
    customer = logins.bearer(await logins.log_in(api, simulator))
    far = a_store(chain.units["north"]["id"], "s010", latitude=39.9042, longitude=116.4074, city="北京市")
    await api.post(STORES, json=far, headers=chain.hq.headers)
    near = (await api.get("/v1/stores?near=39.9,116.4", headers=customer)).json()
    assert near["items"][0]["city"] == "北京市"
    assert near["items"][0]["distance_m"] < 1_000
    assert 1_100_000 < near["items"][1]["distance_m"] < 1_150_000
    pages: list[str] = []
    query = {"near": "39.9,116.4", "limit": "1", "count": "true"}
    while query:
        page = (await api.get("/v1/stores", params=query, headers=customer)).json()
        pages += [item["id"] for item in page["items"]]
        assert page["count"] == 3
        query = query | {"after": page["next"]} if page["next"] else {}
    assert pages == [item["id"] for item in near["items"]], "each once, the nearest first"
    in_city = (await api.get("/v1/stores", params={"city": "杭州市"}, headers=customer)).json()["items"]
    assert {item["name"] for item in in_city} == {"店 s001", "店 s002"}
    assert in_city[0]["distance_m"] is None
    bad = await api.get("/v1/stores?near=here", headers=customer)
    assert (bad.status_code, bad.json()["code"]) == (422, "near_unreadable")
    page = (await api.get("/v1/stores?limit=2", headers=customer)).json()
    rest = (await api.get(f"/v1/stores?limit=2&after={page['next']}", headers=customer)).json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)


async def test_choosing_a_store_is_a_view_and_credits_nobody(
    chain: Chain, api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    customer = logins.bearer(await logins.log_in(api, simulator))
    replies = await asyncio.gather(
        *(
            api.put("/v1/me/store", json={"store": chain.stores[code]["id"]}, headers=customer)
            for code in ("s001", "s002") * 3
        )
    )
    assert {reply.status_code for reply in replies} == {200}
    async with db.transaction() as session:
        chosen = await sql.fetch(session, "SELECT store_id FROM stores_chosen_store")
        assert await sql.fetchval(session, "SELECT count(*) FROM attribution_bond") == 0
    mine = (await api.get("/v1/me/store", headers=customer)).json()["store"]["id"]
    assert [row["store_id"] for row in chosen] == [parse("sto", mine)], "of several taps at once one is the last"


async def test_modules_above_find_a_store_within_scope_only(chain: Chain, db: Database) -> None:
    store_id = parse("sto", chain.stores["s001"]["id"])
    here = Actor(Kind.STAFF, new_id(), new_id(), Role.REGION, "/hq/north/")
    there = Actor(Kind.STAFF, new_id(), new_id(), Role.REGION, "/hq/south/")
    async with db.transaction() as session:
        assert await stores.reachable_store(session, here, store_id) == stores.StoreRef(
            store_id, "店 s001", "/hq/north/s001/", is_legal_entity=False
        )
        for actor, unreachable in ((there, store_id), (here, new_id())):
            with pytest.raises(NotFound):
                await stores.reachable_store(session, actor, unreachable)
        assert await stores.staff_names(session, [chain.hq.key, new_id()]) == {chain.hq.key: "总经理"}
