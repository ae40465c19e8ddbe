"""The API process: `create_app(settings)` builds everything in its lifespan; nothing is opened at import."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path

import structlog
from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, Gauge

from app import __version__, modules, payments
from app.core import jobs, telemetry
from app.core.auth import public
from app.core.errors import Unavailable
from app.core.events import dead_letter_count, lag
from app.core.http import RuntimeDep, View, problems
from app.core.http.audiences import serve_document
from app.core.http.dispatch import Dispatch
from app.core.http.limits import Limiter
from app.core.http.middleware import BodyLimited, Observed
from app.core.http.problems import install
from app.core.http.published import operation_id, publish
from app.core.http.reference import serve_error_codes, serve_reference
from app.core.ids import new_id
from app.core.redis import QUICK_S
from app.core.settings import Settings
from app.migrations import schema
from app.processes.operators import router as operator_router
from app.processes.runtime import open_runtime

log = structlog.get_logger(__name__)

# Read from the database by whichever process is asked: the newest reading counts.
_newest = partial(Gauge, multiprocess_mode="mostrecent")
EVENTS_BEHIND = _newest("siyu_events_behind", "Events that a consumer has not seen", ["consumer"])
DEAD_LETTERS = _newest("siyu_dead_letters", "Events that a consumer could not apply", ["consumer"])
JOBS_FAILED = _newest("siyu_jobs_failed", "Jobs that failed for good and wait for a person")
DISCREPANCIES = _newest("siyu_payment_discrepancies", "Payments that fit nothing, recorded for finance", ["kind"])
REFUNDS_STUCK = _newest("siyu_refunds_stuck", "Refunds that WeChat does not pay out and that wait for a person")


class Health(StrEnum):
    """A process that is not well answers a problem."""

    OK = "ok"


class Liveness(View):
    """The process answers."""

    status: Health


class Readiness(View):
    """The process can serve. Without Redis orders go on and live rooms wait."""

    status: Health
    revision: str
    redis: bool


class NotMigrated(Unavailable):
    """The database is older than this process can serve: `siyu migrate` has not run, or not yet."""

    en = "The database is not migrated far enough ({revision})."
    zh = "数据库尚未迁移到所需版本（{revision}）。"
    revision: str | None


DESCRIPTION = """
Siyu is a headless social-commerce backend: catalog, orders, chain-store performance, distribution commission and live
rooms for brands that sell through WeChat.

* **Values.** Money is whole fen in `*_fen`, rates are basis points in `*_bps`, times are RFC 3339 in UTC. A time that
  you send names its offset and lies in this century. What is absent is `null`, never missing; unknown fields of a body are
  refused; a name or a title is one line, a remark may have more, and none holds control characters.
* **Ids** say what they name: `cus_` a customer, `sto_` a store, `prd_` a product, `sku_` what is sold of it, `ord_` an order,
  `rom_` a live room. An id with another prefix is 422, an unknown one or one that is not yours 404.
* **Errors** are `application/problem+json`: branch on `code`, show `detail`, which is Chinese when `Accept-Language` begins with
  `zh` and English otherwise; `details` is for machines and has a shape per code, `request_id` is for the logs. [All codes](/docs/errors).
  Only WeChat's callbacks are answered in WeChat's form.
  Any operation may answer `internal_error`, `body_too_large`, `busy` (nothing was changed, try again) or `outcome_unknown`
  (look, or repeat).
* **Repeating.** Calls that move money or stock take `Idempotency-Key`, your own text for one act. Send the same bytes under the
  same key and you get the first reply again with `Idempotency-Replayed: true`; other bytes are refused
  (`idempotency_key_reused`); while the first is at work you are asked to wait (`still_running`). Keys are kept for three days.
* **Editing.** What staff edit carries `version`: send back the one that you read. When somebody was faster you get
  `version_conflict` with the current one.
* **Lists** answer `{"items", "next", "count"}`: give `next` as `after` for the following page, until it is null; `limit` is
  1 to 100, and 20 when it is left out; `count=true` also counts the items of all pages. Parameters that a call does not
  document are refused like unknown fields.
* **Waiting.** Where `Retry-After` stands, it counts seconds. The budgets of calls that are limited stand at their 429: a
  caller is who is logged in, else an address.
* **Parts.** `/openapi.json?audience=customer`, `partner` or `staff` is the part that one kind of client is generated from.
* **Live sockets** are described in [/asyncapi.json](/asyncapi.json).
"""

SHARED = ("/v1/session", "/v1/session/refresh")
"""Addresses of all audiences: a login is refreshed and ended by all alike."""

TAGS = {
    "health": "For load balancers and supervisors.",
    "operators": "What the workers could not do, and doing it again.",
}
"""What the groups of operations are about that no module serves."""


def create_app(settings: Settings) -> FastAPI:
    """The API on the engines and the WeChat that `settings` name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        telemetry.configure(settings)
        async with open_runtime(settings, connections=settings.api_connections, name="siyu-api") as runtime:
            app.state.runtime = runtime
            app.state.limiter = Limiter(runtime)
            log.info("api_ready", host=settings.host, port=settings.port)
            yield

    app = FastAPI(
        title="Siyu",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        openapi_tags=[{"name": name, "description": about} for name, about in sorted((modules.tags() | TAGS).items())],
        servers=[{"url": "/", "description": "The deployment that serves this document"}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    install(app)
    publish(app, examples=Path(__file__).with_name("examples.json"))
    _add_health(app)
    serve_document(app, shared=SHARED)
    serve_reference(app)
    serve_error_codes(app, modules.refusals())
    for router in (*modules.routers(), operator_router):
        app.include_router(router)
    app.router.middleware_stack = Dispatch(app)
    app.add_middleware(BodyLimited)
    app.add_middleware(Observed)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(settings.allowed_origins),
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["*"],
        expose_headers=["X-Request-Id", "Idempotency-Replayed", "Retry-After"],
    )
    app.add_middleware(
        CorrelationIdMiddleware, header_name="X-Request-Id", generator=lambda: new_id().hex, validator=_printable
    )
    return app


def _printable(request_id: str) -> bool:
    return 0 < len(request_id) <= 64 and request_id.isascii() and request_id.isprintable()


def _add_health(app: FastAPI) -> None:
    @app.get("/health/live", tags=["health"], dependencies=[public], summary="Check that the process runs")
    async def check_liveness() -> Liveness:
        """Asks nothing of the engines: restart the process when it does not answer."""
        return Liveness(status=Health.OK)

    @app.get(
        "/health/ready",
        tags=["health"],
        dependencies=[public],
        responses=problems(NotMigrated),
        summary="Check that the process can serve",
    )
    async def check_readiness(runtime: RuntimeDep) -> Readiness:
        """Send requests here while it answers 200: the database is reachable and migrated far enough."""
        revision = await schema.current(runtime.db)
        if not schema.serves(revision):
            raise NotMigrated(revision=revision)
        try:
            async with asyncio.timeout(QUICK_S):
                redis = bool(await runtime.redis.ping())
        except Exception:  # Redis may vanish at any second; orders go on without it
            redis = False
        return Readiness(status=Health.OK, revision=revision, redis=redis)

    @app.get("/metrics", tags=["health"], dependencies=[public], include_in_schema=False)
    async def metrics(runtime: RuntimeDep) -> Response:
        async with runtime.db.transaction(reserved=True) as session:
            behind, dead, failed = (
                await lag(session),
                await dead_letter_count(session),
                await jobs.failed_count(session),
            )
            unexplained, stuck = await payments.discrepancy_count(session), await payments.stuck_refunds(session)
        for consumer, count in behind.items():
            EVENTS_BEHIND.labels(consumer).set(count)
            DEAD_LETTERS.labels(consumer).set(dead.get(consumer, 0))
        JOBS_FAILED.set(failed)
        for kind, count in unexplained.items():
            DISCREPANCIES.labels(kind).set(count)
        REFUNDS_STUCK.set(stuck)
        return Response(telemetry.metrics(), media_type=CONTENT_TYPE_LATEST)
