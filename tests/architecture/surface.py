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
from app.core.settings import Settings
from app.live.gateway_pass import gateway
from app.main import create_app

HERE = Path(__file__).parent


@cache
def the_app() -> FastAPI:
    return create_app(Settings(_env_file=None))  # type: ignore[call-arg]


@cache
def openapi() -> dict[str, Any]:
    return the_app().openapi()


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


def policies(route: APIRoute) -> list[Any]:
    return [call for call in calls(route.dependant) if isinstance(call, Allow | Public) or call is gateway]


def same_as_kept(name: str, text: str) -> None:
    """Compare with a file beside this one; SIYU_UPDATE_SNAPSHOTS=1 rewrites it."""
    kept = HERE / name
    if os.environ.get("SIYU_UPDATE_SNAPSHOTS"):
        kept.write_text(text)
    assert text.splitlines() == kept.read_text().splitlines(), "run with SIYU_UPDATE_SNAPSHOTS=1 if this is meant"
