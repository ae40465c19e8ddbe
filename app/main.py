"""The API process: `create_app(settings)` builds everything in its lifespan; nothing is opened at import."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI, Response
from fastapi.middleware.cors import CORSMiddleware
from prometheus_client import CONTENT_TYPE_LATEST, Gauge

from app import payments, schema
from app.core import jobs, telemetry
from app.core.auth import public
from app.core.events import lag, parked_count
from app.core.http import RuntimeDep, problems
from app.core.http.limits import Limiter
from app.core.http.middleware import BodyLimited, Observed
from app.core.http.problems import Busy, install
from app.core.http.published import publish
from app.core.http.reference import serve_error_codes, serve_reference
from app.core.ids import new_id
from app.core.redis import QUICK_S
from app.core.settings import Settings
from app.operator_routes import router as operator_router
from app.rooms import ROUTERS
from app.wiring import open_runtime

log = structlog.get_logger(__name__)

# Read from the database by whichever process is asked: the newest reading counts.
_newest = partial(Gauge, multiprocess_mode="mostrecent")
EVENTS_BEHIND = _newest("siyu_events_behind", "Events that a consumer has not seen", ["consumer"])
EVENTS_PARKED = _newest("siyu_events_parked", "Events that a consumer could not apply", ["consumer"])
JOBS_HELD = _newest("siyu_jobs_held", "Jobs that failed for good and wait for a person")
DISCREPANCIES = _newest("siyu_payment_discrepancies", "Payments that fit nothing, recorded for finance", ["kind"])
REFUNDS_STUCK = _newest("siyu_refunds_stuck", "Refunds that WeChat does not pay out and that wait for a person")

DESCRIPTION = """
Siyu is a headless social-commerce backend: catalog, orders, chain-store performance, distribution commission and live
rooms for brands that sell through WeChat.

* **Values.** Money is whole fen in `*_fen`, rates are basis points in `*_bps`, times are RFC 3339 in UTC. A time that
  you send names its offset and lies in this century. What is absent is `null`, never missing; unknown fields of a body are
  refused; a name or a title is one line, a remark may have more, and none holds control characters.
* **Ids** say what they name: `cus_` a customer, `sto_` a store, `prd_` a product, `sku_` what is sold of it, `ord_` an order,
  `rom_` a live room. An id with another prefix is 422, an unknown one or one that is not yours 404.
* **Errors** are `application/problem+json`: branch on `code`, show `detail`, which is Chinese when `Accept-Language` begins with
  `zh` and English otherwise; `details` is for machines, `request_id` for the logs. [All codes](/docs/errors). Each operation
  lists its own; besides these, any may answer `internal_error`, `body_too_large`, `busy` (nothing was changed, try again) or
  `outcome_unknown` (look, or repeat).
* **Repeating.** Calls that move money or stock take `Idempotency-Key`, your own text for one act. Send the same bytes under the
  same key and you get the first reply again with `Idempotency-Replayed: true`; other bytes are refused
  (`idempotency_key_reused`); while the first is at work you are asked to wait (`still_running`). Keys are kept for three days.
* **Editing.** What staff edit carries `version`: send back the one that you read. When somebody was faster you get
  `version_conflict` with the current one.
* **Lists** answer `{"items", "next"}`: give `next` as `after` for the following page, until it is null; `limit` is 1 to 100.
* **Waiting.** Where `Retry-After` stands, it counts seconds.
* **Live sockets** are described in [/asyncapi.json](/asyncapi.json).
"""


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
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        docs_url=None,
        redoc_url=None,
    )
    install(app)
    publish(app)
    _add_health(app)
    serve_reference(app)
    serve_error_codes(app)
    for router in (*ROUTERS, operator_router):
        app.include_router(router)
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
    @app.get("/health/live", tags=["health"], dependencies=[public], summary="The process runs")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/health/ready",
        tags=["health"],
        dependencies=[public],
        responses=problems(Busy),
        summary="The process can serve: database reachable and migrated far enough",
    )
    async def ready(runtime: RuntimeDep) -> dict[str, Any]:
        revision = await schema.current(runtime.db)
        if not schema.serves(revision):
            raise Busy(revision=revision)
        try:
            async with asyncio.timeout(QUICK_S):
                redis = bool(await runtime.redis.ping())
        except Exception:  # Redis may vanish at any second; orders go on without it
            redis = False
        return {"status": "ok", "revision": revision, "redis": redis}

    @app.get("/metrics", tags=["health"], dependencies=[public], include_in_schema=False)
    async def metrics(runtime: RuntimeDep) -> Response:
        async with runtime.db.transaction() as session:
            behind, parked, held = await lag(session), await parked_count(session), await jobs.held_count(session)
            unexplained, stuck = await payments.discrepancy_count(session), await payments.stuck_refunds(session)
        for consumer, count in behind.items():
            EVENTS_BEHIND.labels(consumer).set(count)
            EVENTS_PARKED.labels(consumer).set(parked.get(consumer, 0))
        JOBS_HELD.set(held)
        for kind, count in unexplained.items():
            DISCREPANCIES.labels(kind).set(count)
        REFUNDS_STUCK.set(stuck)
        return Response(telemetry.metrics(), media_type=CONTENT_TYPE_LATEST)
