"""Errors as RFC 9457 problem details, the same shape for every refusal."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from asgi_correlation_id import correlation_id
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from app.core.errors import AppError, BadRequest, NotFound, TooMany, Unavailable, ValidationFailed
from app.core.events.consumers import is_transient

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

Dependency = TypeVar("Dependency", bound=Callable[..., Any])


class MethodNotAllowed(BadRequest):
    status = 405
    en = "This address does not take that method."
    zh = "该地址不支持此请求方法。"


class BodyTooLarge(BadRequest):
    """The body is over the limit (1 MiB unless the route says otherwise)."""

    status = 413
    en = "The body is over {limit_bytes} bytes."
    zh = "请求体超过 {limit_bytes} 字节。"


class Busy(Unavailable):
    """The database could not serve in time; nothing was written."""

    en = "The system is busy; nothing was changed. Try again."
    zh = "系统繁忙，未做任何更改，请稍后重试。"

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class OutcomeUnknown(Unavailable):
    """The system broke off where something may already have been done: look, or repeat with the same Idempotency-Key."""

    en = "The system broke off and cannot say what was done. Look, or repeat this with the same Idempotency-Key."
    zh = "系统中断，无法确定操作是否已完成。请先查询结果，或使用相同的 Idempotency-Key 重试。"

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class InternalError(AppError):
    """A fault of ours; `request_id` finds it in the logs."""


class Problem(BaseModel):
    """A problem of RFC 9457. Branch on `code`, show `detail`."""

    type: str = Field(description="Address of the error's documentation.")
    title: str
    status: int
    code: str = Field(description="Stable machine code, one per kind of error.")
    detail: str = Field(description="One sentence, in the language of Accept-Language (English or Chinese).")
    details: dict[str, Any] = Field(description="Machine-readable facts about this occurrence.")
    request_id: str | None


def problem_body(error: AppError, language: str, request_id: str | None) -> dict[str, Any]:
    return {
        "type": f"/docs/errors#{error.code()}",
        "title": error.title(),
        "status": error.status,
        "code": error.code(),
        "detail": error.detail(language),
        "details": error.details,
        "request_id": request_id,
    }


def problem_response(request: Request, error: AppError) -> JSONResponse:
    language = request.headers.get("accept-language", "en")
    return JSONResponse(
        problem_body(error, language, correlation_id.get()),
        status_code=error.status,
        headers=error.headers(),
        media_type=MEDIA_TYPE,
    )


class Problems(dict[int | str, dict[str, Any]]):
    """The `responses=` of a route that may answer with these errors. `|` adds errors, also to a status that is there."""

    def __init__(self, *errors: type[AppError]) -> None:
        self.errors = tuple(dict.fromkeys(errors))
        statuses = dict.fromkeys(error.status for error in self.errors)
        super().__init__({status: _published([e for e in self.errors if e.status == status]) for status in statuses})

    def __or__(self, other: "Problems") -> "Problems":  # type: ignore[override]  # a plain dict's would lose errors
        return Problems(*self.errors, *other.errors)


def problems(*errors: type[AppError]) -> Problems:
    """What a route may answer, besides what its dependencies declare (see `declares`)."""
    return Problems(*errors)


_HEADERS = {
    "Retry-After": {"description": "After how many seconds to try again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to log in.", "schema": {"type": "string", "const": "Bearer"}},
}


def _published(errors: Sequence[type[AppError]]) -> dict[str, Any]:
    """The errors of one status as a response of the published document."""
    codes = [error.code() for error in errors]
    headers = sorted({name for error in errors for name in error().headers()})
    return {
        "description": " · ".join(f"`{code}`" for code in codes),
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "allOf": [
                        {"$ref": f"#/components/schemas/{Problem.__name__}"},
                        {"properties": {"code": {"enum": codes}}},
                    ]
                }
            }
        },
        "headers": {name: _HEADERS[name] for name in headers},
    }


def declares(*errors: type[AppError]) -> Callable[[Dependency], Dependency]:
    """Say of a dependency what it raises: every route that stands on it then publishes these errors."""

    def mark(dependency: Dependency) -> Dependency:
        vars(dependency)["errors"] = errors
        return dependency

    return mark


def install(app: FastAPI) -> None:
    """Every exception that leaves a route becomes a problem."""

    @app.exception_handler(AppError)
    async def _app_error(request: Request, error: AppError) -> JSONResponse:
        return problem_response(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            {"field": ".".join(str(part) for part in fault["loc"]), "fault": fault["type"], "message": fault["msg"]}
            for fault in error.errors()[:20]
        ]
        return problem_response(request, ValidationFailed(fields=fields))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        unreadable = {"field": "body", "fault": "unreadable", "message": "The body is not JSON in UTF-8"}
        known: dict[int, AppError] = {
            # FastAPI's own word for a body that it could not even decode.
            400: ValidationFailed(fields=[unreadable]),
            404: NotFound(),
            405: MethodNotAllowed(),
            429: TooMany(),
        }
        return problem_response(request, known.get(error.status_code, BadRequest()))

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        return problem_response(request, unexpected(error, request.method))


def unexpected(error: Exception, method: str) -> AppError:
    """What the outside is told about an exception that nobody foresaw, which is logged here."""
    if is_transient(error):
        log.warning("busy", error=repr(error))
        return Busy() if method in ("GET", "HEAD") else OutcomeUnknown()
    log.error("unexpected", exc_info=error)
    return InternalError()


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
