"""What staff may still write while their own login ends or moves."""

import httpx
import pytest

from app.core.db import Database
from app.stores import staff
from app.stores.schemas import StaffUpdate
from tests import sql
from tests.modules.stores.chain import Chain, actor_of, build, log_in, somebody
from tests.overlap import beside, waits

STAFF = "/v1/admin/stores/staff"


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


def a_post(role: str, *, status: str = "active", **where: str) -> dict[str, object]:
    return {"role": role, "name": "x", "status": status, "version": 1} | where


async def test_a_manager_dismissed_meanwhile_adds_nobody(chain: Chain, api: httpx.AsyncClient, db: Database) -> None:
    manager, store = chain.people["manager.north"], chain.stores["s001"]["id"]
    headquarters = await actor_of(db, chain.hq)
    leaving = StaffUpdate.model_validate(a_post("manager", store=store, status="left"))
    back_door = somebody("guide", "back.client", store=store)
    async with db.transaction() as session:
        await staff.update_staff(session, headquarters, manager.key, leaving, password_hash=None)
        rival = beside(api.post(STAFF, json=back_door, headers=manager.headers))
        assert await waits(session, rival)
    refused = await rival
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    login = await api.post("/v1/admin/session", json={"login": "back.client", "password": back_door["password"]})
    assert login.status_code == 401


async def test_a_manager_moved_meanwhile_changes_nobody_they_left(
    chain: Chain, api: httpx.AsyncClient, db: Database
) -> None:
    manager, guide = chain.people["manager.north"], chain.people["guide.north"]
    headquarters = await actor_of(db, chain.hq)
    moving = StaffUpdate.model_validate(a_post("manager", store=chain.stores["s002"]["id"]))
    renamed = a_post("guide", store=chain.stores["s001"]["id"])
    async with db.transaction() as session:
        await staff.update_staff(session, headquarters, manager.key, moving, password_hash=None)
        rival = beside(api.put(f"{STAFF}/{guide.id}", json=renamed, headers=manager.headers))
        assert await waits(session, rival)
    assert (await rival).json()["code"] == "not_found"


async def test_somebody_out_of_reach_is_not_waited_for(chain: Chain, api: httpx.AsyncClient, db: Database) -> None:
    guide = chain.people["guide.south"]
    changed = a_post("guide", store=chain.stores["s002"]["id"])
    async with db.transaction() as session:
        await sql.execute(session, "SELECT id FROM stores_staff WHERE id = $1 FOR UPDATE", guide.key)
        refused = await beside(
            api.put(f"{STAFF}/{guide.id}", json=changed, headers=chain.people["manager.north"].headers)
        )
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_of_two_who_dismiss_each_other_the_second_is_gone(
    chain: Chain, api: httpx.AsyncClient, db: Database
) -> None:
    unit = chain.units["north"]["id"]
    made = await api.post(STAFF, json=somebody("region", "second.head", unit=unit), headers=chain.hq.headers)
    assert made.status_code == 201
    first, second = chain.people["region.north"], await log_in(api, "second.head")
    leaving = a_post("region", unit=unit, status="left")
    dismissing = await actor_of(db, first)
    async with db.transaction() as session:
        await staff.update_staff(
            session, dismissing, second.key, StaffUpdate.model_validate(leaving), password_hash=None
        )
        rival = beside(api.put(f"{STAFF}/{first.id}", json=leaving, headers=second.headers))
        assert await waits(session, rival)
    refused = await rival
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
