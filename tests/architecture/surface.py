"""The API's surface, read from the app itself without opening anything."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.core.auth.policy import Allow, Public
from app.core.errors import AppError
from app.core.http.problems import ALWAYS
from app.core.settings import Settings
from app.live.gateway_pass import gateway
from app.processes.api import create_app

HERE = Path(__file__).parent


@cache
def the_app() -> FastAPI:
    return create_app(Settings(_env_file=None))  # type: ignore[call-arg]


@cache
def openapi() -> dict[str, Any]:
    return the_app().openapi()


def operations() -> list[tuple[str, dict[str, Any]]]:
    """Every operation of the document by its method and path."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def _walk(routes: list[Any]) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from _walk(inner.routes)


@cache
def routes() -> list[APIRoute]:
    return list(_walk(the_app().routes))


def name_of(route: APIRoute) -> str:
    return f"{'/'.join(sorted(route.methods or ()))} {route.path}"


def calls(dependant: Dependant) -> Iterator[Any]:
    """Every function behind a route in the order of their running."""
    for dependency in dependant.dependencies:
        yield from calls(dependency)
        yield dependency.call


def raised_before(route: APIRoute) -> set[str]:
    """The codes that a route's dependencies declare, and those that every operation may answer."""
    declared = [error for call in calls(route.dependant) for error in getattr(call, "errors", ())]
    return {error.code() for error in (*declared, *ALWAYS)}


def policies(route: APIRoute) -> list[Any]:
    return [call for call in calls(route.dependant) if isinstance(call, Allow | Public) or call is gateway]


@cache
def template_of(address: str) -> str | None:
    """The documented path that an address is one of; a literal segment wins over a parameter."""
    segments = address.split("/")
    for path in sorted(openapi()["paths"], key=lambda path: path.replace("{", "~")):
        parts = path.split("/")
        if len(parts) == len(segments) and all(
            a == b or (a.startswith("{") and b) for a, b in zip(parts, segments, strict=True)
        ):
            return str(path)
    return None


def all_errors() -> list[type[AppError]]:
    found, todo = [], [AppError]
    while todo:
        for sub in todo.pop().__subclasses__():
            todo.append(sub)
            if sub.__module__.startswith("app."):
                found.append(sub)
    return sorted(found, key=lambda error: error.code())


def same_as_kept(name: str, text: str) -> None:
    """Compare with a file beside this one; SIYU_UPDATE_SNAPSHOTS=1 rewrites it."""
    kept = HERE / name
    if os.environ.get("SIYU_UPDATE_SNAPSHOTS"):
        kept.write_text(text)
    assert text.splitlines() == kept.read_text().splitlines(), "run with SIYU_UPDATE_SNAPSHOTS=1 if this is meant"
