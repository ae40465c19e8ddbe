"""Errors as RFC 9457 problem details, the same shape for every refusal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import structlog
from asgi_correlation_id import correlation_id
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.core.errors import AppError, BadRequest, Fault, NotFound, Unavailable, ValidationFailed
from app.core.faults import is_transient
from app.core.http.shapes import MEDIA_TYPE, details_of
from app.core.wording import wording

log = structlog.get_logger(__name__)


class MethodNotAllowed(BadRequest):
    """The address is known with other methods: those in `details.allowed`."""

    status_code = 405
    en = "This address does not take that method."
    zh = "该地址不支持此请求方法。"
    sends: ClassVar[dict[str, str]] = {"Allow": "GET"}
    allowed: list[str]

    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allowed)}


class BodyTooLarge(BadRequest):
    """The body is over the limit (1 MiB unless the route says otherwise)."""

    status_code = 413
    en = "The body is over {limit_bytes} bytes."
    zh = "请求体超过 {limit_bytes} 字节。"
    limit_bytes: int


class Busy(Unavailable):
    """The database could not serve in time; nothing was written."""

    en = "The system is busy; nothing was changed. Try again."
    zh = "系统繁忙，未做任何更改，请稍后重试。"
    sends: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class OutcomeUnknown(Unavailable):
    """The system broke off where something may already have been done: look, or repeat with the same Idempotency-Key."""

    en = "The system broke off and cannot say what was done. Look, or repeat this with the same Idempotency-Key."
    zh = "系统中断，无法确定操作是否已完成。请先查询结果，或使用相同的 Idempotency-Key 重试。"
    sends: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class InternalError(AppError):
    """A fault of ours; `request_id` finds it in the logs."""


ALWAYS: tuple[type[AppError], ...] = (InternalError, BodyTooLarge, Busy, OutcomeUnknown, ValidationFailed)
"""What every operation may answer."""

OF_NO_OPERATION: tuple[type[AppError], ...] = (BadRequest, MethodNotAllowed, NotFound)
"""What may be answered where no operation is."""


def problem_body(error: AppError, language: str, request_id: str | None) -> dict[str, Any]:
    """The body of a refusal, its details in the published shape."""
    details = details_of(type(error)).model_validate(error.details).model_dump(mode="json") if error.details else {}
    return {
        "type": f"/docs/errors#{error.code()}",
        "title": error.title(),
        "status": error.status_code,
        "code": error.code(),
        "detail": error.detail(language),
        "details": details,
        "request_id": request_id,
    }


def problem_response(request: Request, error: AppError) -> JSONResponse:
    language = request.headers.get("accept-language", "en")
    return JSONResponse(
        problem_body(error, language, correlation_id.get()),
        status_code=error.status_code,
        headers=error.headers(),
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Every exception that leaves a route becomes a problem."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return problem_response(request, told(error, request.method))

    for kind in (AppError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)


def told(error: Exception, method: str) -> AppError:
    """What the outside is told about an exception. One that nobody foresaw is logged here."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        return ValidationFailed(fields=[_fault(found) for found in error.errors()[:20]])
    if isinstance(error, HTTPException):
        return _frameworks_own(error)
    if isinstance(error, ClientDisconnect):
        return BadRequest()
    if is_transient(error):
        log.warning("busy", error=repr(error))
        return Busy() if method in ("GET", "HEAD") else OutcomeUnknown()
    log.error("unexpected", exc_info=error)
    return InternalError()


def _fault(found: dict[str, Any]) -> Fault:
    return Fault(".".join(str(part) for part in found["loc"]), found["type"], wording(found))


def _frameworks_own(error: HTTPException) -> AppError:
    match error.status_code:
        case 400:  # FastAPI's word for a body that it could not even decode
            return ValidationFailed(fields=[Fault("body", "unreadable", "The body is not JSON in UTF-8")])
        case 404:
            return NotFound()
        case 405:
            return MethodNotAllowed(allowed=(error.headers or {}).get("Allow", "").split(", "))
    return BadRequest()


@contextmanager
def changing_nothing() -> Iterator[None]:
    """Around work of which nothing stands when it fails. Raises Busy for what may go well another time."""
    try:
        yield
    except Exception as error:
        if not is_transient(error):
            raise
        log.warning("busy", error=repr(error))
        raise Busy from error
