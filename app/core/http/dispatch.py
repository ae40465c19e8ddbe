"""Finding the route of a request by the segments of its path, instead of asking every route in turn."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from fastapi import FastAPI
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import Fault, ValidationFailed
from app.core.http.operations import Operation
from app.core.http.problems import MethodNotAllowed


@dataclass(frozen=True, slots=True)
class _Found:
    """One method of an address."""

    app: ASGIApp
    route: APIRoute
    path_names: tuple[str, ...]
    query_names: frozenset[str]


@dataclass(slots=True)
class _Node:
    """What may follow the segments so far: a literal, or a parameter."""

    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    methods: dict[str, _Found] = field(default_factory=dict)


class Dispatch:
    """In front of an application's router: serves its API routes and leaves everything else to the router.

    A literal segment wins over a parameter in whatever order the routes were added, `HEAD` is answered wherever `GET`
    is, and query parameters that the route does not document are refused.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._else = app.router.middleware_stack
        self._root = _Node()
        self._read = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._read != len(self._app.router.routes):
            self._read_routes()
        values: list[str] = []
        methods = _find(self._root, scope["path"].split("/"), 0, values) if scope["type"] == "http" else None
        if methods is None:
            await self._else(scope, receive, send)
            return
        found = methods.get(scope["method"])
        if found is None:
            found = _as_get(methods, scope["method"])
        if scope["query_string"]:
            _refuse_unknown(scope["query_string"], found.query_names)
        scope["route"] = found.route
        scope["endpoint"] = found.route.endpoint
        scope["path_params"] = dict(zip(found.path_names, values, strict=True))
        await found.app(scope, receive, send)

    def _read_routes(self) -> None:
        routes = self._app.router.routes
        self._read = len(routes)
        for context in iter_route_contexts(routes):
            if isinstance(context.original_route, APIRoute):
                self._add(context, context.original_route)

    def _add(self, context: RouteContext, route: APIRoute) -> None:
        node, names = self._root, []
        for segment in (context.path_format or "").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        found = _Found(
            app=Operation(context) if Operation.serves(context) else context.app,
            route=route,
            path_names=tuple(names),
            query_names=frozenset(
                one.alias for one in get_flat_params(context.dependant) if isinstance(one.field_info, Query)
            ),
        )
        node.methods |= dict.fromkeys(context.methods or (), found)


def _find(node: _Node, segments: list[str], at: int, values: list[str]) -> dict[str, _Found] | None:
    """The methods of the address that the segments spell, with what its parameters are."""
    if at == len(segments):
        return node.methods or None
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None and (found := _find(literal, segments, at + 1, values)) is not None:
        return found
    if node.parameter is None or not segment:
        return None
    values.append(segment)
    found = _find(node.parameter, segments, at + 1, values)
    if found is None:
        values.pop()
    return found


def _as_get(methods: dict[str, _Found], method: str) -> _Found:
    """The server leaves the body out of a reply to `HEAD`."""
    if method == "HEAD" and "GET" in methods:
        return methods["GET"]
    raise MethodNotAllowed(allowed=sorted([*methods, *(["HEAD"] if "GET" in methods else [])]))


def _refuse_unknown(query: bytes, known: frozenset[str]) -> None:
    names = {name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)}
    if unknown := sorted(names - known):
        fields = [Fault(f"query.{name}", "extra_forbidden", "There is no such parameter") for name in unknown[:20]]
        raise ValidationFailed(fields=fields)
