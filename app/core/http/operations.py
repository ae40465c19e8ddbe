"""A route with everything about it worked out before its first request.

FastAPI walks the tree of a route's dependencies with each request, asks of each what kind of function it is, and validates
replies that are views already. Here the tree is a list of steps, made once. The rules are FastAPI's: a dependency runs once,
before whatever needs it; faults of parameters are collected and the function behind the route is then not called; what a
generator opened is closed before the reply leaves. A route that needs more than this (`serves`) stays with FastAPI.
"""

import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi._compat import ModelField, Undefined, field_annotation_is_scalar
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form, Param
from fastapi.responses import JSONResponse
from fastapi.routing import RouteContext, serialize_response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from app.core.errors import Fault, ValidationFailed
from app.core.paging import Page
from app.core.wording import wording


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A value from the path, the query or a header."""

    name: str
    alias: str
    field: ModelField
    loc: tuple[str, str]
    default: Any

    @classmethod
    def of(cls, field: ModelField) -> "_Parameter":
        assert isinstance(field.field_info, Param)
        checked = field.field_info.is_required() or field.field_info.validate_default
        default = Undefined if checked else field.get_default()
        return cls(field.name, field.alias, field, (field.field_info.in_.value, field.alias), default)

    def read(self, sent: Mapping[str, Any], values: dict[str, Any]) -> list[Any]:
        """Put the value under the parameter's name, or tell what is wrong with it."""
        value = sent.get(self.alias)
        if value is None:
            if self.default is Undefined:
                read, faults = request_params_to_args([self.field], sent)
                values.update(read)
                return faults
            values[self.name] = self.default
            return []
        values[self.name], faults = self.field.validate(value, loc=self.loc)
        return faults


@dataclass(frozen=True, slots=True)
class _Step:
    """A dependency, or the function behind the route itself."""

    run: Callable[[AsyncExitStack, dict[str, Any]], Awaitable[Any]]
    needs: tuple[tuple[str, int], ...]
    path: tuple[_Parameter, ...]
    query: tuple[_Parameter, ...]
    header: tuple[_Parameter, ...]
    body: list[ModelField]
    request: str | None


class _Failed:
    """In the place of a result: the step could not run."""


_FAILED = _Failed()


class Operation:
    """One method of one address, as an ASGI application."""

    def __init__(self, context: RouteContext) -> None:
        self._steps = tuple(_steps(context.dependant))
        self._reads_body = context.body_field is not None
        self._embedded = context._embed_body_fields
        self._status = context.status_code or 200
        self._field = context.response_field
        self._model, self._item = _model_of(context.response_model)

    @staticmethod
    def serves(context: RouteContext) -> bool:
        """Whether the route asks for nothing but what is done here."""
        takes_form = context.body_field is not None and isinstance(context.body_field.field_info, Form)
        chooses_class = (
            not isinstance(context.response_class, DefaultPlaceholder) and context.response_model is not None
        )
        leaves_out = context.response_model_exclude_unset or context.response_model_exclude_none
        streams = context.stream_item_field is not None
        return not (takes_form or chooses_class or leaves_out or streams) and all(
            map(_is_plain, _tree(context.dependant))
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        body = await _body_of(request) if self._reads_body else Undefined
        async with AsyncExitStack() as opened:
            result = await self._run(request, body, opened)
        response = result if isinstance(result, Response) else await self._reply(result)
        await response(scope, receive, send)

    async def _run(self, request: Request, body: Any, opened: AsyncExitStack) -> Any:
        results: list[Any] = []
        faults: list[Any] = []
        for step in self._steps:
            values: dict[str, Any] = {}
            fine = True
            for name, index in step.needs:
                if (result := results[index]) is _FAILED:
                    fine = False
                elif name:
                    values[name] = result
            found = await self._read(step, request, body, values)
            if found:
                faults += found
            elif fine and not (faults and step is self._steps[-1]):
                if step.request is not None:
                    values[step.request] = request
                results.append(await step.run(opened, values))
                continue
            results.append(_FAILED)
        if faults:
            raise RequestValidationError(faults)
        return results[-1]

    async def _read(self, step: _Step, request: Request, body: Any, values: dict[str, Any]) -> list[Any]:
        faults: list[Any] = []
        for parameter in step.path:
            faults += parameter.read(request.path_params, values)
        for parameter in step.query:
            faults += parameter.read(request.query_params, values)
        for parameter in step.header:
            faults += parameter.read(request.headers, values)
        if step.body:
            read, found = await request_body_to_args(step.body, body, self._embedded)
            values.update(read)
            faults += found
        return faults

    async def _reply(self, result: Any) -> Response:
        if self._status == 204:
            return Response(status_code=204)
        if self._field is None:
            return JSONResponse(await serialize_response(response_content=result), self._status)
        if type(result) is self._model or (
            type(result) is Page and self._item and all(type(item) is self._item for item in result.items)
        ):
            content = result.__pydantic_serializer__.to_json(result)
        else:
            content = await serialize_response(field=self._field, response_content=result, dump_json=True)
        return Response(content, self._status, media_type="application/json")


def _model_of(model: Any) -> tuple[Any, Any]:
    """The class of a reply's view; of a page that of its items, for a page is made without naming them."""
    if not (inspect.isclass(model) and issubclass(model, BaseModel)):
        return None, None
    generic = model.__pydantic_generic_metadata__
    return model, generic["args"][0] if generic["origin"] is Page else None


def _tree(dependant: Dependant) -> Iterator[Dependant]:
    for dependency in dependant.dependencies:
        yield from _tree(dependency)
    yield dependant


def _is_plain(dependant: Dependant) -> bool:
    parameters = [*dependant.path_params, *dependant.query_params, *dependant.header_params]
    return dependant.use_cache and not (
        dependant.cookie_params
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.own_oauth_scopes
        or dependant.concurrency
        or (inspect.isasyncgenfunction(dependant.call) and dependant.scope != "function")
        or inspect.isgeneratorfunction(dependant.call)
        or not all(field_annotation_is_scalar(field.field_info.annotation) for field in parameters)
    )


def _steps(route: Dependant) -> Iterator[_Step]:
    places: dict[Any, int] = {}
    for dependant in _tree(route):
        if dependant.call not in places:
            places[dependant.call] = len(places)
            yield _Step(
                run=_runner(dependant.call),
                needs=tuple((needed.name or "", places[needed.call]) for needed in dependant.dependencies),
                path=tuple(map(_Parameter.of, dependant.path_params)),
                query=tuple(map(_Parameter.of, dependant.query_params)),
                header=tuple(map(_Parameter.of, dependant.header_params)),
                body=dependant.body_params,
                request=dependant.request_param_name or dependant.http_connection_param_name,
            )


def _runner(call: Any) -> Callable[[AsyncExitStack, dict[str, Any]], Awaitable[Any]]:
    if inspect.isasyncgenfunction(call):
        manager: Callable[..., AbstractAsyncContextManager[Any]] = asynccontextmanager(call)
        return lambda opened, values: opened.enter_async_context(manager(**values))
    function = call if inspect.isroutine(call) else type(call).__call__
    if inspect.iscoroutinefunction(function):
        return lambda _, values: call(**values)
    return lambda _, values: run_in_threadpool(call, **values)


async def _body_of(request: Request) -> Any:
    """The body as JSON; the bytes as they are when it does not say that it is JSON."""
    content = await request.body()
    if not content:
        return Undefined
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        return content
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        message = wording({"type": "json_invalid"})
        raise ValidationFailed(fields=[Fault(f"body.{error.pos}", "json_invalid", message)]) from error
    except (ValueError, RecursionError) as error:
        raise ValidationFailed(fields=[Fault("body", "unreadable", "The body is not JSON in UTF-8")]) from error
