"""Tokens, refresh families and policies."""

import asyncio
import base64
import json
import time
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from app import modules
from app.core import housekeeping
from app.core.auth import (
    Actor,
    Kind,
    RefreshReused,
    Role,
    families,
    move_scope,
    open_family,
    revoke_subject,
    tokens,
)
from app.core.db import Database
from app.core.errors import Unauthenticated
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.core.settings import Settings
from tests import sql
from tests.audit import count
from tests.shop import Shop


def somebody(**changes: Any) -> Actor:
    return Actor(**{"kind": Kind.CUSTOMER, "id": new_id(), "family": new_id(), **changes})


def test_a_token_says_who_one_is(engine_settings: Settings) -> None:
    settings = engine_settings
    for actor in (somebody(), somebody(kind=Kind.STAFF, role=Role.MANAGER, scope_path="/hq/east/s001/")):
        assert tokens.read(settings, tokens.sign(settings, actor)) == actor


def test_a_spent_token_is_refused(engine_settings: Settings) -> None:
    settings = engine_settings
    spent = settings.model_copy(update={"access_ttl_s": 0})
    with pytest.raises(Unauthenticated):
        tokens.read(settings, tokens.sign(spent, somebody()))


def test_a_token_that_was_read_before_is_refused_once_its_life_is_over(
    engine_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tokens.sign(engine_settings, somebody())
    assert tokens.read(engine_settings, token) == tokens.read(engine_settings, token)
    later = time.time() + engine_settings.access_ttl_s
    monkeypatch.setattr(tokens.time, "time", lambda: later)
    with pytest.raises(Unauthenticated):
        tokens.read(engine_settings, token)


def test_a_token_that_one_deployment_believes_is_nothing_to_another(engine_settings: Settings) -> None:
    token = tokens.sign(engine_settings, somebody())
    tokens.read(engine_settings, token)
    other = engine_settings.model_copy(update={"secret_key": SecretStr("another-secret-that-nobody-gave-us")})
    with pytest.raises(Unauthenticated):
        tokens.read(other, token)


def test_few_tokens_are_remembered_and_none_that_was_refused(engine_settings: Settings) -> None:
    tokens._verified.cache_clear()
    for forged in forgeries(engine_settings):
        with pytest.raises(Unauthenticated):
            tokens.read(engine_settings, forged)
    assert tokens._verified.cache_info().currsize == 0
    assert tokens._verified.cache_info().maxsize == 10_000


def _unsigned(claims: dict[str, Any]) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def forgeries(settings: Settings) -> list[str]:
    actor = somebody()
    genuine = tokens.sign(settings, actor)
    head, body, signature = genuine.split(".")
    claims = {"sub": str(actor.id), "kind": "customer", "fam": str(actor.family), "exp": int(time.time()) + 600}
    key = OctKey.import_key(settings.secret_key.get_secret_value())

    def signed(**changes: Any) -> str:
        return jwt.encode({"alg": "HS256"}, {k: v for k, v in (claims | changes).items() if v is not None}, key)

    stranger = OctKey.import_key("another-secret-that-nobody-gave-us")
    return [
        "",
        "x",
        "a.b.c",
        _unsigned(claims),
        jwt.encode({"alg": "HS256"}, claims, stranger),
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}",
        signed(exp=None),
        signed(exp="soon"),
        signed(sub=None),
        signed(sub="me"),
        signed(kind="admin"),
        signed(role="emperor"),
        signed(fam=7),
    ]


@pytest.mark.parametrize("number", range(14))
def test_a_forged_or_crippled_token_is_refused(engine_settings: Settings, number: int) -> None:
    with pytest.raises(Unauthenticated):
        tokens.read(engine_settings, forgeries(engine_settings)[number])


async def log_in(db: Database, settings: Settings, **changes: Any) -> tuple[Actor, families.TokenPair]:
    subject = new_id()
    async with db.transaction() as session:
        pair = await open_family(session, settings, **{"kind": Kind.CUSTOMER, "subject_id": subject, **changes})
    return tokens.read(settings, pair.access_token), pair


async def refresh(db: Database, settings: Settings, token: str) -> tuple[Actor, families.TokenPair]:
    """As the edge does it: what a reuse ends is committed before it is refused."""
    async with db.transaction() as session:
        refreshed = await families.refresh(session, settings, token)
    if refreshed is None:
        raise RefreshReused
    return refreshed


async def test_refreshing_rotates(db: Database, settings: Settings) -> None:
    actor, pair = await log_in(db, settings)
    seen = {pair.refresh_token}
    for _ in range(5):
        same, pair = await refresh(db, settings, pair.refresh_token)
        assert same == actor
        assert pair.refresh_token not in seen
        seen.add(pair.refresh_token)


async def test_using_an_old_refresh_token_ends_the_login_for_good(db: Database, settings: Settings) -> None:
    _, first = await log_in(db, settings)
    _, second = await refresh(db, settings, first.refresh_token)
    with pytest.raises(RefreshReused):
        await refresh(db, settings, first.refresh_token)
    assert await count(db, "SELECT count(*) FROM auth_family WHERE revoked_at IS NOT NULL") == 1, "and it is committed"
    with pytest.raises(Unauthenticated):
        await refresh(db, settings, second.refresh_token)


async def test_two_who_refresh_at_once_cannot_both_go_on(db: Database, settings: Settings) -> None:
    _, pair = await log_in(db, settings)
    replies = await asyncio.gather(
        *(refresh(db, settings, pair.refresh_token) for _ in range(6)), return_exceptions=True
    )
    assert sum(not isinstance(reply, BaseException) for reply in replies) == 1
    assert await count(db, "SELECT count(*) FROM auth_family WHERE revoked_at IS NULL") == 0


async def test_unknown_and_spent_refresh_tokens_are_refused_without_harm(db: Database, settings: Settings) -> None:
    _, pair = await log_in(db, settings)
    with pytest.raises(Unauthenticated):
        await refresh(db, settings, "nothing-we-gave")
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE auth_refresh SET expires_at = clock_timestamp() - interval '1 second'")
    with pytest.raises(Unauthenticated):
        await refresh(db, settings, pair.refresh_token)
    assert await count(db, "SELECT count(*) FROM auth_family WHERE revoked_at IS NULL") == 1
    hashes = "SELECT count(*) FROM auth_refresh WHERE encode(token_hash, 'escape') = $1"
    assert await count(db, hashes, pair.refresh_token) == 0, "the token itself is not kept"


async def test_staff_lose_their_reach_with_the_next_request(
    api: httpx.AsyncClient, db: Database, settings: Settings
) -> None:
    actor, pair = await log_in(db, settings, kind=Kind.STAFF, role=Role.HQ, scope_path="/hq/")
    headers = {"Authorization": f"Bearer {pair.access_token}"}
    category = {"name": "茶叶"}
    assert (await api.post("/v1/admin/mall/categories", json=category, headers=headers)).status_code == 201
    async with db.transaction() as session:
        await move_scope(session, actor.id, role=Role.GUIDE, scope_path="/hq/east/s001/")
    assert (await api.post("/v1/admin/mall/categories", json=category, headers=headers)).status_code == 403
    assert (await api.get("/v1/admin/mall/categories", headers=headers)).status_code == 200
    async with db.transaction() as session:
        await revoke_subject(session, actor.id)
    assert (await api.get("/v1/admin/mall/categories", headers=headers)).status_code == 401
    with pytest.raises(Unauthenticated):
        await refresh(db, settings, pair.refresh_token)


async def test_a_staff_token_of_no_login_is_worth_nothing(api: httpx.AsyncClient, settings: Settings) -> None:
    made_up = tokens.sign(settings, somebody(kind=Kind.STAFF, role=Role.HQ, scope_path="/hq/"))
    reply = await api.get("/v1/admin/mall/orders", headers={"Authorization": f"Bearer {made_up}"})
    assert reply.status_code == 401


async def test_orders_of_others_and_of_other_stores_are_not_there(shop: Shop) -> None:
    buyer, stranger = await shop.customer(), await shop.customer()
    order_id = (await buyer.order())["order"]["id"]
    for path in (f"/v1/mall/orders/{order_id}", f"/v1/mall/orders/{order_id}/payment"):
        method = stranger.get if path.endswith(order_id) else stranger.post
        assert (await method(path)).status_code == 404
    for scope, status in (("/hq/", 200), ("/hq/east/", 200), ("/hq/east/s001/", 200), ("/hq/west/", 404)):
        manager = await shop.staff("manager", scope)
        assert (await manager.get(f"/v1/admin/mall/orders/{order_id}")).status_code == status
        listed = (await manager.get("/v1/admin/mall/orders")).json()["items"]
        assert [one["id"] for one in listed] == ([order_id] if status == 200 else [])


async def test_housekeeping_forgets_what_ran_out_and_nothing_else(
    db: Database, settings: Settings, runtime: Runtime
) -> None:
    for _ in range(3):
        await log_in(db, settings)
    async with db.transaction() as session:
        await sql.execute(
            session,
            """UPDATE auth_refresh SET expires_at = clock_timestamp() - interval '2 days'
               WHERE token_hash = (SELECT token_hash FROM auth_refresh LIMIT 1)""",
        )
    await housekeeping.sweep(runtime)
    assert await count(db, "SELECT count(*) FROM auth_refresh") == 2
    assert housekeeping.TIMERS[0] in modules.timers()
