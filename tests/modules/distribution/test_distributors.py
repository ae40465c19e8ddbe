"""Applying, deciding, terms: how a customer becomes a distributor, and on which terms."""

import asyncio

import asyncpg
import httpx
import pytest

from app import distribution
from app.core.db import Database
from app.core.ids import new_id, parse
from app.distribution import distributors
from app.distribution.schemas import DecisionCreate
from tests import sql
from tests.modules.customers import logins
from tests.modules.distribution.sellers import APPLICATIONS, DECIDE, a_seller, apply, decide
from tests.modules.stores.chain import build, first_headquarters
from tests.overlap import beside, waits

TERMS = "/v1/admin/distribution/terms"


async def test_an_approved_applicant_can_be_credited(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    hq = await first_headquarters(api, db)
    upline = await a_seller(api, simulator, hq)
    session = await logins.log_in(api, simulator)
    headers = logins.bearer(session)
    application = await apply(api, headers, name="韩梅梅", inviter=upline.id)
    assert (application["status"], application["distributor"]) == ("applied", None)
    waiting = (await api.get(f"{DECIDE}?status=applied", headers=hq.headers)).json()["items"]
    assert [item["id"] for item in waiting] == [application["id"]]
    decided = (await decide(api, hq, application["id"], approve=True)).json()
    assert decided["status"] == "approved"
    async with db.transaction() as tx:
        (row,) = await sql.fetch(
            tx, "SELECT * FROM attribution_promoter WHERE promoter_id = $1", parse("dst", decided["distributor"])
        )
        names = await distribution.distributor_names(tx, [parse("dst", decided["distributor"]), new_id()])
    assert (row["kind"], row["upline_id"], row["store_id"]) == ("distributor", upline.key, None)
    assert row["person_id"] == parse("cus", session["customer"]["id"])
    assert list(names.values()) == ["微**"]
    again = await api.post(APPLICATIONS, json={}, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "already_distributor")


async def test_a_refused_applicant_may_apply_again(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    hq = await first_headquarters(api, db)
    headers = logins.bearer(await logins.log_in(api, simulator))
    first = await apply(api, headers)
    double = await api.post(APPLICATIONS, json={}, headers=headers)
    assert (double.status_code, double.json()["code"]) == (409, "application_open")
    refused = (await decide(api, hq, first["id"], approve=False, reason="资料不全")).json()
    assert (refused["status"], refused["reason"], refused["distributor"]) == ("refused", "资料不全", None)
    second_thoughts = await decide(api, hq, first["id"], approve=True)
    assert (second_thoughts.status_code, second_thoughts.json()["code"]) == (409, "application_decided")
    await apply(api, headers)
    assert (await api.get("/v1/partner/summary", headers=headers)).status_code == 404


async def test_an_applicant_reads_their_applications_and_why_one_was_refused(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    hq = await first_headquarters(api, db)
    headers, stranger = [logins.bearer(await logins.log_in(api, simulator)) for _ in range(2)]
    first = await apply(api, headers)
    await decide(api, hq, first["id"], approve=False, reason="资料不全")
    second = await apply(api, headers)
    mine = (await api.get(APPLICATIONS, headers=headers)).json()["items"]
    assert [(one["id"], one["status"], one["reason"]) for one in mine] == [
        (second["id"], "applied", None),
        (first["id"], "refused", "资料不全"),
    ]
    assert (await api.get(APPLICATIONS, headers=stranger)).json()["items"] == []


async def test_two_decisions_at_once_make_one_distributor(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    hq = await first_headquarters(api, db)
    application = await apply(api, logins.bearer(await logins.log_in(api, simulator)))
    replies = await asyncio.gather(*(decide(api, hq, application["id"], approve=True) for _ in range(6)))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409, 409, 409]


async def test_an_application_during_the_approval_of_another_is_refused(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    hq = await first_headquarters(api, db)
    headers = logins.bearer(await logins.log_in(api, simulator))
    application = await apply(api, headers)
    async with db.transaction() as session:
        await distributors.decide(session, hq.key, parse("apl", application["id"]), DecisionCreate(approve=True))
        again = beside(api.post(APPLICATIONS, json={}, headers=headers))
        assert await waits(session, again)
    refused = await again
    assert (refused.status_code, refused.json()["code"]) == (409, "already_distributor")
    assert (await api.get(f"{DECIDE}?status=applied", headers=hq.headers)).json()["items"] == []


async def test_an_unknown_inviter_or_application_is_not_found(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    hq = await first_headquarters(api, db)
    headers = logins.bearer(await logins.log_in(api, simulator))
    inviter = await api.post(APPLICATIONS, json={"inviter": "dst_01h455vb4pex5vsknk084sn02q"}, headers=headers)
    assert inviter.status_code == 404
    assert (await decide(api, hq, "apl_01h455vb4pex5vsknk084sn02q", approve=True)).status_code == 404


async def test_only_headquarters_decides_and_sets_terms(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, db: Database
) -> None:
    chain = await build(api, db)
    application = await apply(api, logins.bearer(await logins.log_in(api, simulator)))
    for who in ("region.north", "manager.north", "guide.north"):
        person = chain.people[who]
        assert (await decide(api, person, application["id"], approve=True)).status_code == 403
        assert (await api.get(DECIDE, headers=person.headers)).status_code == 403
        assert (await api.put(TERMS, json={"level1_bps": 1}, headers=person.headers)).status_code == 403


async def test_terms_are_versions_that_stay(api: httpx.AsyncClient, db: Database) -> None:
    hq = await first_headquarters(api, db)
    for body in ({"level1_bps": 800}, {"level1_bps": 1200, "level2_bps": 300, "hold_s": 60}):
        assert (await api.put(TERMS, json=body, headers=hq.headers)).status_code == 200
    versions = (await api.get(TERMS, headers=hq.headers)).json()["items"]
    assert [(v["level1_bps"], v["level2_bps"], v["hold_s"], v["created_by"]) for v in versions] == [
        (1200, 300, 60, hq.id),
        (800, 0, 15 * 24 * 3600, hq.id),
    ]
    for body in ({"level1_bps": 5001}, {"level1_bps": 1, "level2_bps": 5001}, {"level1_bps": 1, "level3_bps": 1}):
        refused = await api.put(TERMS, json=body, headers=hq.headers)
        assert refused.json()["code"] == "validation_failed"
    with pytest.raises(asyncpg.RestrictViolationError):
        async with db.transaction() as session:
            await sql.execute(session, "UPDATE distribution_terms SET level1_bps = 1")


async def test_the_rates_of_no_version_exceed_its_cap(api: httpx.AsyncClient, db: Database) -> None:
    hq = await first_headquarters(api, db)

    async def put(**body: int) -> httpx.Response:
        return await api.put(TERMS, json=body, headers=hq.headers)

    refused = await put(level1_bps=2_000, level2_bps=1_001)
    assert (refused.status_code, refused.json()["code"]) == (422, "over_total_cap")
    assert refused.json()["details"] == {"total_bps": 3_001, "total_cap_bps": 3_000}
    assert (await put(level1_bps=2_000, level2_bps=1_000)).json()["total_cap_bps"] == 3_000
    raised = await put(level1_bps=2_000, level2_bps=1_001, total_cap_bps=3_001)
    assert (raised.status_code, raised.json()["total_cap_bps"]) == (200, 3_001)
    assert (await put(level1_bps=3_001)).json()["code"] == "over_total_cap", "the cap is not that of the version before"
    assert (await put(level1_bps=1, total_cap_bps=0)).json()["code"] == "over_total_cap"
    assert (await put(level1_bps=1, total_cap_bps=5_001)).json()["code"] == "validation_failed"
    async with db.transaction() as session:
        assert await sql.fetchval(session, "SELECT count(*) FROM distribution_terms") == 2
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction() as session:
            await sql.execute(
                session,
                """INSERT INTO distribution_terms (id, level1_bps, level2_bps, total_cap_bps, hold_s, created_by)
                   VALUES ($1, 2000, 1001, 3000, 0, $1)""",
                new_id(),
            )
