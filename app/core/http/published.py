"""The published document: what FastAPI derives from the routes, completed with what it does not know.

It does not know what dependencies raise, whom a policy lets in, that replies hold every field, and that generators of
clients take a field with a default for one that is always there.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic.json_schema import models_json_schema

from app.core.errors import AppError
from app.core.http.problems import ALWAYS
from app.core.http.shapes import codes_of, problems, shape_of

Document = dict[str, Any]

SECURITY_SCHEMES = {
    "customer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token of a customer's login; a distributor calls as the customer they are.",
    },
    "staff": {
        "type": "http",
        "scheme": "bearer",
        "description": "The access token of a staff login. Role and reach are looked up with each call.",
    },
}
"""One for each kind of caller. A policy names those it lets in (`core.auth.policy`)."""

_REPLAYED = {
    "description": "`true` when these are the bytes of the first reply to this key.",
    "schema": {"type": "string", "const": "true"},
}


def operation_id(route: APIRoute) -> str:
    """`mall.placeOrder`: the first word of the tag and the function's name."""
    words = route.name.split("_")
    name = words[0] + "".join(word.title() for word in words[1:])
    tag = re.match(r"[a-z]+", str(route.tags[0])) if route.tags else None
    return f"{tag[0]}.{name}" if tag else name


def publish(app: FastAPI, *, examples: Path) -> None:
    """Make `app.openapi` answer the completed document. The file holds one example per operation id, taken from a run."""
    generate: Callable[[], Document] = app.openapi

    def openapi() -> Document:
        if app.openapi_schema is None:
            document = _completed(generate(), list(iter_route_contexts(app.routes)))
            _show(document["paths"], msgspec.json.decode(examples.read_bytes()))
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _completed(document: Document, routes: list[RouteContext]) -> Document:
    paths = document["paths"]
    for route in routes:
        for method in route.methods or ():
            operation = paths.get(route.path_format or "", {}).get(method.lower())
            if operation is not None:
                _complete(operation, route.dependant)
    components = document.setdefault("components", {})
    components["schemas"] = components.get("schemas", {}) | _problem_schemas(paths)
    components["securitySchemes"] = SECURITY_SCHEMES
    drop_unused(components["schemas"], paths)
    sent = _within(components["schemas"], _parts_of_requests(paths))
    for name, schema in components["schemas"].items():
        _require(schema, only_constants=name in sent)
    _without_defaults(document)
    return _with_names_of_pages(document)


def _with_names_of_pages(document: Document) -> Document:
    """`OrderPage` for what is derived as `Page_OrderView_`."""
    text = re.sub(r'Page[_\[](\w+?)(?:View)?[_\]]"', r'\1Page"', msgspec.json.encode(document).decode())
    named: Document = msgspec.json.decode(text)
    return named


def _complete(operation: Document, dependant: Dependant) -> None:
    behind = list(_calls(dependant))
    raised = [error for call in behind for error in getattr(call, "errors", ())]
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422", "")):
        del responses["422"]  # the framework's own shape, which is never answered
    named = [AppError.registry[code] for response in responses.values() for code in codes_of(response)]
    answers = {str(status): response for status, response in problems(*named, *raised, *ALWAYS).items()}
    operation["responses"] = dict(sorted({**responses, **answers}.items()))
    if budgets := [call.budget for call in behind if hasattr(call, "budget")]:
        operation["responses"]["429"]["description"] += f": at most {' and '.join(budgets)}"
    operation["security"] = [
        {scheme: []} if scheme else {} for call in behind for scheme in getattr(call, "lets_in", ())
    ]
    for parameter in operation.get("parameters", ()):
        _never_null(parameter["schema"])
    if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ())):
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                response["headers"] = {"Idempotency-Replayed": _REPLAYED}


def _show(paths: Document, examples: Document) -> None:
    """Put each operation's example where its parts belong."""
    for operation in [operation for methods in paths.values() for operation in methods.values()]:
        example = examples.get(operation["operationId"])
        if example is None:
            continue
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in example["parameters"]:
                parameter["example"] = example["parameters"][parameter["name"]]
        answer = operation["responses"].get(example["status"], {})
        for part, value in ((operation.get("requestBody", {}), example["request"]), (answer, example["response"])):
            if "application/json" in part.get("content", {}):
                part["content"]["application/json"]["example"] = value


def _never_null(schema: Document) -> None:
    """Parameters have no word for null: one that is not wanted is left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema |= kinds[0]


def _calls(dependant: Dependant) -> Iterator[Any]:
    for dependency in dependant.dependencies:
        yield from _calls(dependency)
        yield dependency.call


def _problem_schemas(paths: Document) -> Document:
    """The schemas of all errors that some operation names."""
    operations = [operation for methods in paths.values() for operation in methods.values()]
    responses = [response for operation in operations for response in operation["responses"].values()]
    errors = sorted({code for response in responses for code in codes_of(response)})
    shapes = [(shape_of(AppError.registry[code]), "validation") for code in errors]
    _, found = models_json_schema(shapes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: Document = found["$defs"]
    return schemas


def _parts_of_requests(paths: Document) -> list[Any]:
    operations = [operation for methods in paths.values() for operation in methods.values()]
    return [operation.get(part) for operation in operations for part in ("parameters", "requestBody")]


def _within(schemas: Document, part: Any) -> set[str]:
    """The names of the schemas that a part of the document refers to, directly or through others."""
    found: set[str] = set()
    todo = _references(part)
    while todo:
        found |= todo
        todo = {name for one in todo for name in _references(schemas[one])} - found
    return found


def _references(part: Any) -> set[str]:
    return set(re.findall(r"#/components/schemas/(\w+)", str(part)))


def drop_unused(schemas: Document, paths: Document) -> None:
    """Leave out the schemas that no operation needs."""
    for name in schemas.keys() - _within(schemas, paths):
        del schemas[name]


def _require(schema: Document, *, only_constants: bool) -> None:
    """Name the fields that are always there: all of a reply's, since what can be absent is null; a request's constants."""
    required = schema.get("required", [])
    fields = schema.get("properties", {}).items()
    added = [name for name, field in fields if not only_constants or "const" in field]
    if added:
        schema["required"] = list(dict.fromkeys([*required, *added]))


def _without_defaults(part: Any) -> None:
    if isinstance(part, list):
        for inner in part:
            _without_defaults(inner)
    elif isinstance(part, dict):
        if not isinstance(part.get("default"), dict):  # else it is a field of that name
            part.pop("default", None)
        for inner in part.values():
            _without_defaults(inner)
