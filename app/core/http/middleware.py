"""Around every request: its id, its log line and metrics, the limit on its body."""

import contextlib
import json
import time
from typing import Any

import structlog
from asgi_correlation_id import correlation_id
from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.http.problems import BodyTooLarge, problem_body, problem_response, told
from app.core.http.shapes import MEDIA_TYPE

log = structlog.get_logger("app.access")

BODY_LIMIT_BYTES = 1024 * 1024

REQUESTS = Counter("siyu_http_requests_total", "Requests by route and status", ["method", "route", "status"])
DURATION = Histogram(
    "siyu_http_request_seconds",
    "Time to the reply's first byte by route",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class Observed:
    """Logs and counts requests by route template, never by path, and binds the trace to the log context.

    It also answers what nobody foresaw, so that this reply too has its request id and is counted.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status: int | None = None
        structlog.contextvars.bind_contextvars(request_id=correlation_id.get(), **_trace(scope))

        async def observe(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observe)
        except Exception as error:
            if status is not None:
                raise
            await problem_response(Request(scope), told(error, scope["method"]))(scope, receive, observe)
        finally:
            elapsed_s = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(scope["method"], route, str(status or 500)).inc()
            DURATION.labels(scope["method"], route).observe(elapsed_s)
            if route not in ("/health/live", "/health/ready", "/metrics"):
                log.info("request", method=scope["method"], route=route, status=status, ms=round(elapsed_s * 1000, 1))
            structlog.contextvars.clear_contextvars()


def _trace(scope: Scope) -> dict[str, str]:
    """The trace id of a W3C `traceparent` header, if there is a well-formed one."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            parts = value.decode("latin-1").split("-")
            if len(parts) >= 4 and len(parts[1]) == 32:
                return {"trace_id": parts[1]}
    return {}


class BodyLimited:
    """Refuses bodies over the limit, announced or not, before a route sees them."""

    def __init__(self, app: ASGIApp, limit_bytes: int = BODY_LIMIT_BYTES) -> None:
        self._app = app
        self._limit = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > self._limit:
            await self._refuse(send)
            return
        received = 0
        started = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise _TooLarge
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            # The framework makes a 400 of its own from what `counted` raises.
            if received > self._limit and not started:
                return
            started = True
            await send(message)

        with contextlib.suppress(_TooLarge):
            await self._app(scope, counted, watched)
        if received > self._limit and not started:
            await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        error = BodyTooLarge(limit_bytes=self._limit)
        body = json.dumps(problem_body(error, "en", correlation_id.get())).encode()
        headers: list[tuple[bytes, bytes]] = [(b"content-type", MEDIA_TYPE.encode())]
        headers.append((b"content-length", str(len(body)).encode()))
        start: dict[str, Any] = {"type": "http.response.start", "status": error.status_code, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})


class _TooLarge(Exception):
    pass
