"""Staff members' own customer accounts: who may link one, and that it belongs to one person."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.ids import new_id
from app.stores import staff
from app.stores.schemas import StaffCreate
from tests.modules.customers import logins
from tests.modules.stores.chain import Chain, actor_of, build, somebody
from tests.overlap import beside, waits

STAFF = "/v1/admin/stores/staff"
Account = Callable[[], Awaitable[str]]


@pytest.fixture
async def chain(api: httpx.AsyncClient, db: Database) -> Chain:
    return await build(api, db)


@pytest.fixture
def account(api: httpx.AsyncClient, simulator: httpx.AsyncClient) -> Account:
    """The id of a new customer."""

    async def make() -> str:
        return str((await logins.log_in(api, simulator))["customer"]["id"])

    return make


def a_guide(chain: Chain, **changes: Any) -> dict[str, Any]:
    """The guide of the north again, as `PUT` takes it."""
    store = chain.stores["s001"]["id"]
    return {"role": "guide", "store": store, "name": "小芳", "status": "active", "version": 1} | changes


async def test_only_headquarters_says_whose_account_it_is(
    chain: Chain, api: httpx.AsyncClient, account: Account
) -> None:
    fan, other = await account(), await account()
    where = f"{STAFF}/{chain.people['guide.north'].id}"
    store = chain.stores["s001"]["id"]
    for who in ("manager.north", "region.north"):
        headers = chain.people[who].headers
        for reply in (
            await api.post(STAFF, json=somebody("guide", "fake.one", store=store, customer=fan), headers=headers),
            await api.put(where, json=a_guide(chain, customer=fan), headers=headers),
        ):
            assert (reply.status_code, reply.json()["code"]) == (403, "account_link_not_grantable")
    linked = await api.put(where, json=a_guide(chain, customer=fan), headers=chain.hq.headers)
    assert (linked.status_code, linked.json()["customer"]) == (200, fan)

    manager = chain.people["manager.north"].headers
    renamed = await api.put(where, json=a_guide(chain, customer=fan, name="芳", version=2), headers=manager)
    assert (renamed.status_code, renamed.json()["name"]) == (200, "芳")
    for customer in (other, None):
        moved = await api.put(where, json=a_guide(chain, customer=customer, version=3), headers=manager)
        assert (moved.status_code, moved.json()["code"]) == (403, "account_link_not_grantable")


async def test_an_account_belongs_to_one_active_staff_member(
    chain: Chain, api: httpx.AsyncClient, account: Account
) -> None:
    own = await account()
    hq, store = chain.hq.headers, chain.stores["s001"]["id"]
    where = f"{STAFF}/{chain.people['guide.north'].id}"
    assert (await api.put(where, json=a_guide(chain, customer=own), headers=hq)).status_code == 200
    again = somebody("guide", "second.self", store=store, customer=own)
    taken = await api.post(STAFF, json=again, headers=hq)
    assert (taken.status_code, taken.json()["code"]) == (409, "account_linked")
    unknown = a_guide(chain, customer="cus_01h455vb4pex5vsknk084sn02q", status="left", version=2)
    assert (await api.put(where, json=unknown, headers=hq)).json()["code"] == "not_found"

    left = a_guide(chain, customer=own, status="left", version=2)
    assert (await api.put(where, json=left, headers=chain.people["manager.north"].headers)).status_code == 200
    assert (await api.post(STAFF, json=again, headers=hq)).status_code == 201
    back = await api.put(where, json=left | {"status": "active", "version": 3}, headers=hq)
    assert (back.status_code, back.json()["code"]) == (409, "account_linked")


async def test_two_who_are_given_one_account_at_once(
    chain: Chain, api: httpx.AsyncClient, db: Database, account: Account
) -> None:
    own = await account()
    store = chain.stores["s001"]["id"]
    headquarters = await actor_of(db, chain.hq)
    one = StaffCreate.model_validate(somebody("guide", "one.self", store=store, customer=own))
    other = somebody("guide", "other.self", store=store, customer=own)
    async with db.transaction() as session:
        await staff.add_staff(session, headquarters, one, password_hash=new_id().hex)
        rival = beside(api.post(STAFF, json=other, headers=chain.hq.headers))
        assert await waits(session, rival)
    taken = await rival
    assert (taken.status_code, taken.json()["code"]) == (409, "account_linked")
