"""The edge: problems, limits, pages, ids, commits before replies, health and metrics."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextvars import Context

import httpx
import pytest
from fastapi import FastAPI

from app.core import redis as core_redis
from app.core.auth import public
from app.core.db import Database
from app.core.errors import AppError, NotFound
from app.core.events import publish
from app.core.http import Tx
from app.core.ids import new_id, wire
from app.core.runtime import Runtime
from app.core.settings import Settings
from tests import sql
from tests.audit import audit, count
from tests.conftest import Stage
from tests.core.counted import Counted
from tests.shop import Shop

PROBLEM = {"type", "title", "status", "code", "detail", "details", "request_id"}


def app_of(stage: Stage) -> FastAPI:
    assert stage.api_transport is not None
    app = stage.api_transport.app
    assert isinstance(app, FastAPI)
    return app


async def test_problems_have_one_shape_in_both_languages(api: httpx.AsyncClient) -> None:
    english = await api.get("/v1/mall/orders", headers={"X-Request-Id": "mine-1"})
    chinese = await api.get("/v1/mall/orders", headers={"Accept-Language": "zh-CN,zh;q=0.9", "X-Request-Id": "mine-2"})
    for reply in (english, chinese):
        assert reply.status_code == 401
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["www-authenticate"] == "Bearer"
        assert set(reply.json()) == PROBLEM
        assert reply.json()["code"] == "unauthenticated"
    assert english.json()["detail"].startswith("Log in")
    assert chinese.json()["detail"].startswith("请先登录")
    assert english.json()["request_id"] == english.headers["x-request-id"] == "mine-1"


async def test_even_unknown_addresses_answer_problems(api: httpx.AsyncClient) -> None:
    for method, path, status, code, allow in (
        ("GET", "/v1/nowhere", 404, "not_found", None),
        ("GET", "/v1/mall/orders/", 404, "not_found", None),
        ("POST", "/v1/mall/orders//close", 404, "not_found", None),
        ("PATCH", "/v1/mall/orders", 405, "method_not_allowed", "GET, HEAD, POST"),
        ("DELETE", "/health/live", 405, "method_not_allowed", "GET, HEAD"),
        ("GET", "/v1/session", 405, "method_not_allowed", "DELETE, POST"),
        ("GET", "/v1/mall/orders/x/close", 405, "method_not_allowed", "POST"),
    ):
        reply = await api.request(method, path)
        assert (reply.status_code, reply.json()["code"]) == (status, code), path
        assert set(reply.json()) == PROBLEM
        assert reply.headers.get("allow") == allow
        assert reply.headers["x-request-id"]


async def test_who_asks_only_for_the_head_gets_no_body(shop: Shop, api: httpx.AsyncClient) -> None:
    buyer = await shop.customer()
    for caller, path in ((api, "/health/live"), (api, "/health/ready"), (buyer, "/v1/mall/orders")):
        whole, head = await caller.get(path), await caller.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.content))
    assert (await api.head("/v1/mall/orders")).status_code == 401


async def test_query_parameters_that_nobody_documents_are_refused_by_name(shop: Shop) -> None:
    buyer = await shop.customer()
    for path, known in (("/v1/mall/orders", "limit=3"), ("/v1/me", ""), ("/health/live", "")):
        reply = await buyer.get(f"{path}?{known}&colour=red&size=&%63olour=blue")
        assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
        named = [(fault["field"], fault["fault"]) for fault in reply.json()["details"]["fields"]]
        assert named == [("query.colour", "extra_forbidden"), ("query.size", "extra_forbidden")]
    assert (await buyer.get("/v1/mall/orders?limit=3&count=true")).json()["count"] == 0


async def test_a_literal_segment_wins_over_a_parameter_in_any_order(api: httpx.AsyncClient, stage: Stage) -> None:
    app = app_of(stage)

    @app.get("/test/things/{thing}/parts", dependencies=[public])
    async def parts(thing: str) -> str:
        return thing

    @app.get("/test/things/{thing}", dependencies=[public])
    async def one(thing: str) -> str:
        return f"one {thing}"

    @app.get("/test/things/counts", dependencies=[public])
    async def counts() -> str:
        return "counts"

    replies = [(await api.get(f"/test/things/{rest}")).json() for rest in ("counts", "x", "counts/parts")]
    assert replies == ["counts", "one x", "counts"]


async def test_an_unusable_request_id_is_replaced(api: httpx.AsyncClient) -> None:
    for request in ("", "x" * 65, "line\nbreak", "é"):
        reply = await api.get("/health/live", headers={"X-Request-Id": request.encode("latin-1")})
        assert re.fullmatch(r"[0-9a-f]{32}", reply.headers["x-request-id"])


async def test_faults_of_ours_tell_nothing_but_the_request_id(api: httpx.AsyncClient, stage: Stage) -> None:
    @app_of(stage).get("/test/fault", dependencies=[public])
    async def fault() -> None:
        raise RuntimeError("secret inner text")

    reply = await api.get("/test/fault", headers={"X-Request-Id": "find-me"})
    assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
    assert "secret" not in reply.text
    assert reply.json()["request_id"] == "find-me"
    assert reply.headers["x-request-id"] == "find-me"
    metrics = (await api.get("/metrics")).text
    assert re.search(r'siyu_http_requests_total\{method="GET",route="/test/fault",status="500"\} 1\.0', metrics)


async def test_a_database_that_cannot_serve_is_busy_not_broken(api: httpx.AsyncClient, stage: Stage) -> None:
    @app_of(stage).get("/test/busy", dependencies=[public])
    async def busy(session: Tx) -> None:
        await sql.execute(session, "SET LOCAL statement_timeout = 20")
        await sql.execute(session, "SELECT pg_sleep(5)")

    reply = await api.get("/test/busy", headers={"X-Request-Id": "find-me"})
    assert (reply.status_code, reply.json()["code"]) == (503, "busy")
    assert reply.headers["retry-after"]
    assert reply.headers["x-request-id"] == "find-me"


async def test_a_post_that_gets_no_connection_has_changed_nothing(
    api: httpx.AsyncClient, stage: Stage, runtime: Runtime, settings: Settings
) -> None:
    @app_of(stage).post("/test/crowded", dependencies=[public])
    async def crowded(session: Tx) -> None:
        raise AssertionError("it has no session")

    full = Database(settings, connections=1)
    full._pool._wait_s = 0.05
    app_of(stage).state.runtime = Runtime(settings, full, runtime.redis)
    async with full.transaction():
        reply = await asyncio.create_task(api.post("/test/crowded"), context=Context())
    await full.close()
    assert (reply.status_code, reply.json()["code"]) == (503, "busy")


async def test_rows_left_for_later_are_written_where_failing_means_that_nothing_was_done(
    api: httpx.AsyncClient, stage: Stage, db: Database
) -> None:
    @app_of(stage).post("/test/later", dependencies=[public])
    async def later(session: Tx) -> None:
        await sql.execute(session, "SET LOCAL lock_timeout = 50")
        await publish(session, Counted(subject=new_id(), number=1))

    async with db.transaction() as session:
        await sql.execute(session, "LOCK TABLE event_outbox IN ACCESS EXCLUSIVE MODE")
        reply = await asyncio.create_task(api.post("/test/later"), context=Context())
    assert (reply.status_code, reply.json()["code"]) == (503, "busy")


async def test_nothing_was_changed_is_said_only_where_it_is_certain(
    api: httpx.AsyncClient, stage: Stage, db: Database
) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "CREATE TABLE written (n int)")
        await sql.execute(
            session,
            """CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS
               'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END'""",
        )
        await sql.execute(
            session,
            """CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON written DEFERRABLE INITIALLY DEFERRED
               FOR EACH ROW EXECUTE FUNCTION cut()""",
        )

    @app_of(stage).post("/test/before-the-commit", dependencies=[public])
    async def before(session: Tx) -> None:
        await sql.execute(session, "SET LOCAL statement_timeout = 20")
        await sql.execute(session, "SELECT pg_sleep(5)")

    @app_of(stage).post("/test/in-the-commit", dependencies=[public])
    async def during(session: Tx) -> None:
        await sql.execute(session, "INSERT INTO written VALUES (1)")

    reply = await api.post("/test/before-the-commit")
    assert (reply.status_code, reply.json()["code"]) == (503, "busy")
    assert "nothing was changed" in reply.json()["detail"]
    reply = await api.post("/test/in-the-commit")
    assert (reply.status_code, reply.json()["code"]) == (503, "outcome_unknown"), reply.text
    assert "nothing was changed" not in reply.json()["detail"]
    assert reply.headers["retry-after"]


async def test_an_order_that_stands_is_found_again_under_its_key_when_the_reply_could_not_be_kept(
    shop: Shop, db: Database
) -> None:
    buyer = await shop.customer()
    async with db.transaction() as session:
        await sql.execute(
            session,
            """CREATE FUNCTION locked() RETURNS trigger LANGUAGE plpgsql AS
               $$BEGIN RAISE 'locked too long' USING ERRCODE = 'lock_not_available'; END$$""",
        )
        await sql.execute(
            session,
            """CREATE TRIGGER locked BEFORE UPDATE ON idempotency_key FOR EACH ROW WHEN (NEW.body IS NOT NULL)
               EXECUTE FUNCTION locked()""",
        )
    refused = await buyer.try_order(key="once")
    assert (refused.status_code, refused.json()["code"]) == (503, "outcome_unknown")
    assert await count(db, "SELECT count(*) FROM mall_order") == 1
    async with db.transaction() as session:
        await sql.execute(session, "DROP TRIGGER locked ON idempotency_key")
    async with asyncio.timeout(5):
        again = await buyer.try_order(key="once")
    assert again.status_code == 201, again.text
    assert await count(db, "SELECT count(*) FROM mall_order") == 1
    assert await audit(db) == []


async def test_the_reply_leaves_after_the_commit(api: httpx.AsyncClient, stage: Stage, db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "CREATE TABLE checked (n int CONSTRAINT late UNIQUE DEFERRABLE INITIALLY DEFERRED)")

    @app_of(stage).post("/test/late", dependencies=[public])
    async def late(session: Tx) -> dict[str, str]:
        await sql.execute(session, "INSERT INTO checked VALUES (1), (1)")
        return {"status": "written"}

    reply = await api.post("/test/late")
    assert reply.status_code == 500, "the commit failed, so nobody was told that it went well"
    assert await count(db, "SELECT count(*) FROM checked") == 0


async def test_a_swallowed_error_is_a_fault_at_the_edge(api: httpx.AsyncClient, stage: Stage, db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "CREATE TABLE note (word text PRIMARY KEY)")

    @app_of(stage).post("/test/swallowed", dependencies=[public])
    async def swallowed(session: Tx) -> dict[str, str]:
        await sql.execute(session, "INSERT INTO note VALUES ('a')")
        try:
            await sql.execute(session, "INSERT INTO note VALUES ('a')")
        except Exception:
            return {"status": "fine"}
        return {"status": "odd"}

    @app_of(stage).post("/test/refused", dependencies=[public])
    async def refused(session: Tx) -> None:
        await sql.execute(session, "INSERT INTO note VALUES ('b')")
        raise NotFound

    assert (await api.post("/test/swallowed")).status_code == 500
    assert (await api.post("/test/refused")).status_code == 404
    assert await count(db, "SELECT count(*) FROM note") == 0, "a refusal rolls back"


async def test_a_body_over_the_limit_is_refused_announced_or_not(api: httpx.AsyncClient) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 32_768

    for content in (b"x" * (1024 * 1024 + 1), unannounced()):
        reply = await api.post(
            "/v1/session", content=content, headers={"Content-Type": "application/json", "X-Request-Id": "find-me"}
        )
        assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large"), reply.text
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers["x-request-id"] == "find-me"
    at_the_limit = await api.post("/v1/session", content=b'{"code": "' + b"x" * (1024 * 1024 - 20) + b'"}')
    assert at_the_limit.status_code == 422
    for announced in (b"-5", b"many"):
        assert (await api.post("/v1/session", content=b"", headers={"Content-Length": announced})).status_code == 413


async def test_bodies_refuse_what_they_do_not_know(shop: Shop) -> None:
    buyer = await shop.customer()
    reply = await buyer.post("/v1/mall/quote", json={**shop.basket(1), "room": wire("rom", new_id())})
    assert (reply.status_code, reply.json()["code"]) == (422, "validation_failed")
    assert reply.json()["details"]["fields"][0] == {
        "field": "body.room",
        "fault": "extra_forbidden",
        "message": "There is no such field",
    }
    for broken in (b"{", b"[]", b"null", b"\xff\xfe", b'{"store": 1e400}'):
        reply = await buyer.post("/v1/mall/quote", content=broken, headers={"Content-Type": "application/json"})
        assert reply.status_code in (400, 422), (broken, reply.text)
        assert set(reply.json()) == PROBLEM


async def test_health_tells_liveness_and_readiness(
    api: httpx.AsyncClient, db: Database, runtime: Runtime, stage: Stage
) -> None:
    assert (await api.get("/health/live")).json() == {"status": "ok"}
    ready = await api.get("/health/ready")
    assert (ready.status_code, ready.json()["redis"]) == (200, True)
    gone = core_redis.connect(runtime.settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"}))
    app_of(stage).state.runtime = Runtime(runtime.settings, runtime.db, gone)
    without_redis = await api.get("/health/ready")
    assert (without_redis.status_code, without_redis.json()["redis"]) == (200, False), "orders go on without Redis"
    await gone.aclose()
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE alembic_version SET version_num = '0001'")
    assert (await api.get("/health/ready")).status_code == 503


async def test_a_process_stays_ready_while_a_rollout_has_migrated_ahead_of_it(
    api: httpx.AsyncClient, db: Database
) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE alembic_version SET version_num = '29991231_later'")
    ready = await api.get("/health/ready")
    assert (ready.status_code, ready.json()["revision"]) == (200, "29991231_later")


@pytest.mark.parametrize("address", ["localhost:9/x", "/x?host=/nowhere"], ids=["nobody listens", "the socket is gone"])
async def test_a_database_that_is_away_is_busy_not_broken(
    shop: Shop, settings: Settings, runtime: Runtime, address: str
) -> None:
    buyer = await shop.customer()
    away = Database(settings.model_copy(update={"database_url": f"postgresql://siyu@{address}"}), connections=1)
    app_of(shop.stage).state.runtime = Runtime(settings, away, runtime.redis, *runtime._clients.values())
    reply = await buyer.get("/v1/mall/orders")
    assert (reply.status_code, reply.json()["code"]) == (503, "busy"), reply.text
    await away.close()


async def test_the_address_alone_leads_to_the_reference_and_that_to_all_that_is_published(
    api: httpx.AsyncClient,
) -> None:
    reference = await api.get("/", follow_redirects=True)
    assert (reference.status_code, reference.url.path) == (200, "/docs")
    described = (await api.get("/openapi.json")).json()["info"]["description"]
    links = re.findall(r"]\((/[^)]*)\)", described)
    assert set(links) == {"/docs/errors", "/asyncapi.json"}
    for link in links:
        assert (await api.get(link)).status_code == 200
    named = {"internal_error", "busy", "outcome_unknown", "idempotency_key_reused", "still_running", "version_conflict"}
    for code in named:
        assert f"`{code}`" in described
        assert code in AppError.registry, "it says only what there is"


async def test_metrics_name_routes_and_never_paths(shop: Shop, api: httpx.AsyncClient) -> None:
    buyer = await shop.customer()
    order_id = (await buyer.order())["order"]["id"]
    await buyer.get(f"/v1/mall/orders/{order_id}")
    await api.get(f"/v1/nowhere/{order_id}")
    metrics = (await api.get("/metrics")).text
    assert 'route="/v1/mall/orders/{id}"' in metrics
    assert 'route="unmatched"' in metrics
    assert order_id not in metrics
