"""The published shapes of refusals: one schema per code, and what each route may answer."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from app.core.errors import AppError
from app.core.schemas import View

MEDIA_TYPE = "application/problem+json"

Dependency = TypeVar("Dependency", bound=Callable[..., Any])


class NoDetails(View):
    """The code says it all."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """A problem of RFC 9457. Branch on `code`, show `detail`."""

    type: str = Field(description="Address of the error's documentation.")
    title: str
    status: int
    code: str = Field(description="Stable machine code, one per kind of error.")
    detail: str = Field(description="One sentence, in the language of Accept-Language (English or Chinese).")
    details: NoDetails = Field(description="Machine-readable facts about this occurrence.")
    request_id: str | None = Field(description="Finds the request in the logs.")


def details_of(error: type[AppError]) -> type[View]:
    """The shape of an error's details."""
    return _details(error.code())


@cache
def _details(code: str) -> type[View]:
    error = AppError.registry[code]
    fields: dict[str, Any] = {name: (hint, getattr(error, name, ...)) for name, hint in error.shape.items()}
    return create_model(f"{error.__name__}Details", __base__=View, **fields) if fields else NoDetails


def shape_of(error: type[AppError]) -> type[Problem]:
    """The whole reply of an error."""
    return _problem(error.code())


@cache
def _problem(code: str) -> type[Problem]:
    error = AppError.registry[code]
    fields: dict[str, Any] = {
        "status": (Literal[error.status_code], ...),
        "code": (Literal[code], ...),
        "details": (_details(code), Problem.model_fields["details"]),
    }
    return create_model(f"{error.__name__}Problem", __base__=Problem, __doc__=error.__doc__ or error.en, **fields)


class Problems(dict[int | str, dict[str, Any]]):
    """The `responses=` of a route that may answer with these errors. `|` adds errors, also to a status that is there."""

    def __init__(self, *errors: type[AppError]) -> None:
        self.errors = tuple(dict.fromkeys(errors))
        statuses = sorted({error.status_code for error in errors})
        super().__init__({one: _published([e for e in self.errors if e.status_code == one]) for one in statuses})

    def __or__(self, other: "Problems") -> "Problems":  # type: ignore[override]  # a plain dict's would lose errors
        return Problems(*self.errors, *other.errors)


def problems(*errors: type[AppError]) -> Problems:
    """What the flow behind a route raises. What its dependencies declare (see `declares`) and what every operation may
    answer is published with it and not named here."""
    return Problems(*errors)


_HEADERS = {
    "Allow": {"description": "The methods of this address.", "schema": {"type": "string"}},
    "Retry-After": {"description": "After how many seconds to try again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to log in.", "schema": {"type": "string", "const": "Bearer"}},
}


def _published(errors: Sequence[type[AppError]]) -> dict[str, Any]:
    """The errors of one status as a response of the published document."""
    refs = {error.code(): f"#/components/schemas/{shape_of(error).__name__}" for error in errors}
    schema = {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "code", "mapping": refs},
    }
    return {
        "description": " · ".join(f"`{code}`" for code in refs),
        "content": {MEDIA_TYPE: {"schema": schema}},
        "headers": {name: _HEADERS[name] for name in sorted({name for error in errors for name in error.sends})},
    }


def codes_of(response: dict[str, Any]) -> list[str]:
    """The error codes that a published response names."""
    schema = response.get("content", {}).get(MEDIA_TYPE, {}).get("schema", {})
    return list(schema.get("discriminator", {}).get("mapping", ()))


def declares(*errors: type[AppError]) -> Callable[[Dependency], Dependency]:
    """Say of a dependency what it raises: every route that stands on it then publishes these errors."""

    def mark(dependency: Dependency) -> Dependency:
        vars(dependency)["errors"] = errors
        return dependency

    return mark
