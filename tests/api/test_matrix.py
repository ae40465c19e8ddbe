"""Every route for every kind of caller, by what the route itself declares."""

import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from app.core.auth import Kind, Role
from app.core.auth.policy import Allow, LoggedIn, Public, Visiting
from app.core.ids import new_id, wire
from tests.architecture.surface import name_of, openapi, policies, routes
from tests.shop import Shop

CALLERS = ["nobody", "customer", *Role]


def lets_in(route: APIRoute, caller: str) -> int | None:
    """The status of the refusal that the route's policy owes this caller, or None when it must let them in."""
    (policy,) = policies(route)
    if isinstance(policy, Public) or (caller == "nobody" and isinstance(policy, Visiting)):
        return None
    if caller == "nobody" or not isinstance(policy, Allow):
        return 401
    if isinstance(policy, LoggedIn):
        return None
    if policy.kind is Kind.CUSTOMER:
        return None if caller == "customer" else 403
    return None if caller in policy.roles else 403


def address(route: APIRoute, method: str) -> str:
    """The route's path with ids of nothing that exists."""
    operation = openapi()["paths"].get(route.path, {}).get(method.lower(), {})
    patterns = {one["name"]: one["schema"].get("pattern", "") for one in operation.get("parameters", [])}

    def fill(match: "re.Match[str]") -> str:
        prefix = re.match(r"\^([a-z]{3})_", patterns.get(match[1], ""))
        return wire(prefix[1], new_id()) if prefix else "x"

    return re.sub(r"{(\w+)(?::\w+)?}", fill, route.path)


def refusal(reply: httpx.Response) -> int | None:
    """401 or 403 when it is the policy that said no; rooms have refusals of their own with other codes."""
    if reply.status_code not in (401, 403):
        return None
    code = reply.json().get("code")
    return reply.status_code if code in ("unauthenticated", "forbidden") else None


@pytest.fixture
async def asking(shop: Shop) -> Callable[[str], Any]:
    async def find(caller: str) -> httpx.AsyncClient:
        if caller == "nobody":
            return shop.api
        if caller == "customer":
            return await shop.customer()
        return await shop.staff(caller, "/hq/" if caller == "hq" else "/hq/east/s001/")

    return find


@pytest.mark.parametrize("caller", CALLERS)
async def test_each_route_lets_in_whom_it_says_and_nobody_else(asking: Callable[[str], Any], caller: str) -> None:
    wrong = []
    for route in routes():
        for method in sorted(route.methods or ()):
            client = await asking(caller)  # anew each time: some routes end the login
            arguments: dict[str, Any] = {} if method in ("GET", "DELETE") else {"json": {}}
            reply = await client.request(
                method, address(route, method), headers={"Idempotency-Key": new_id().hex}, **arguments
            )
            owed = lets_in(route, caller)
            if refusal(reply) != owed or reply.status_code >= 500:
                wrong.append(
                    f"{name_of(route)} answered {reply.status_code} {reply.text[:120]}, owed {owed or 'entry'}"
                )
    assert wrong == []


async def test_a_login_of_somebody_is_not_a_login_of_everybody(shop: Shop) -> None:
    """A token of another deployment, and one with a word too many, let nobody in anywhere."""
    for token in ("Bearer x", "Basic abc", "Bearer ", "bearer a b"):
        for route in routes():
            if isinstance(policies(route)[0], Public):
                continue
            for method in sorted(route.methods or ()):
                reply = await shop.api.request(method, address(route, method), headers={"Authorization": token})
                assert reply.status_code == 401, f"{name_of(route)} answered {reply.status_code} to {token!r}"


async def test_a_strange_gateway_pass_is_refused(shop: Shop) -> None:
    inner = next((route.path for route in routes() if route.path.endswith("/rooms/{id}/snapshot")), None)
    assert inner is not None
    path = inner.replace("{id}", wire("rom", new_id()))
    now = str(int(time.time()))
    for given in ("", ".", "x.y", f"{now}.", f"{now}.00", "1.00", f"{now}.\u00e9", "9" * 30 + ".00"):
        reply = await shop.api.get(path, headers={"X-Siyu-Gateway": given.encode("latin-1")})
        assert reply.status_code == 401, given
