"""Distributors for tests: a customer who applied and was approved, and the terms they earn by."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from app.core.db import Database
from app.core.ids import parse
from tests import sql
from tests.modules.customers import logins
from tests.modules.stores.chain import Person

APPLICATIONS = "/v1/distribution/applications"
DECIDE = "/v1/admin/distribution/applications"


@dataclass
class Seller:
    """A distributor who is logged in."""

    id: str
    customer: str
    headers: dict[str, str]

    @property
    def key(self) -> UUID:
        return parse("dst", self.id)


async def apply(api: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    reply = await api.post(APPLICATIONS, json=body, headers=headers)
    assert reply.status_code == 201, reply.text
    application: dict[str, Any] = reply.json()
    return application


async def decide(api: httpx.AsyncClient, hq: Person, application: str, **body: Any) -> httpx.Response:
    return await api.post(f"{DECIDE}/{application}/decision", json=body, headers=hq.headers)


async def a_seller(
    api: httpx.AsyncClient, simulator: httpx.AsyncClient, hq: Person, inviter: Seller | None = None
) -> Seller:
    session = await logins.log_in(api, simulator)
    headers = logins.bearer(session)
    application = await apply(api, headers, **({"inviter": inviter.id} if inviter else {}))
    decided = (await decide(api, hq, application["id"], approve=True)).json()
    return Seller(decided["distributor"], session["customer"]["id"], headers)


async def set_terms(api: httpx.AsyncClient, hq: Person, **terms: int) -> None:
    reply = await api.put("/v1/admin/distribution/terms", json=terms, headers=hq.headers)
    assert reply.status_code == 200, reply.text


async def now_of(db: Database) -> Any:
    async with db.transaction() as session:
        return await sql.fetchval(session, "SELECT clock_timestamp()")
