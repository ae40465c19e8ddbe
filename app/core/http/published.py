"""The published document completed with what stands in dependencies: which errors they raise, and headers of replies."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.core.errors import AppError
from app.core.http.problems import MEDIA_TYPE, Problem, problems

_REPLAYED = {
    "description": "`true` when these are the bytes of the first reply to this key.",
    "schema": {"type": "string", "const": "true"},
}


def publish(app: FastAPI) -> None:
    """Make `app.openapi` answer the completed document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if Problem.__name__ not in schemas:
            schemas[Problem.__name__] = Problem.model_json_schema()
            _complete(app, document["paths"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _complete(app: FastAPI, paths: dict[str, Any]) -> None:
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = paths.get(route.path_format or "", {}).get(method.lower())
            if operation is not None:
                _add_errors(operation, route.dependant)
                _add_headers(operation)


def _add_errors(operation: dict[str, Any], dependant: Dependant) -> None:
    responses = operation["responses"]
    own = [AppError.registry[code] for response in responses.values() for code in codes_of(response)]
    answers = {str(status): response for status, response in problems(*_raised(dependant), *own).items()}
    operation["responses"] = dict(sorted({**responses, **answers}.items()))


def codes_of(response: dict[str, Any]) -> list[str]:
    """The error codes that a published response names."""
    schema = response.get("content", {}).get(MEDIA_TYPE, {}).get("schema", {})
    codes: list[str] = schema["allOf"][1]["properties"]["code"]["enum"] if schema else []
    return codes


def _raised(dependant: Dependant) -> Iterator[type[AppError]]:
    for dependency in dependant.dependencies:
        yield from _raised(dependency)
        yield from getattr(dependency.call, "errors", ())


def _add_headers(operation: dict[str, Any]) -> None:
    if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ())):
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                response["headers"] = {"Idempotency-Replayed": _REPLAYED}
