"""Routes worked out before their first request answer as FastAPI's own do, and every route of the product is one of them."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts

from app.core.errors import Conflict
from app.core.http import Body, Page, View
from app.core.http.dispatch import Dispatch
from app.core.http.operations import Operation
from app.core.http.problems import install
from app.core.ids import OrderId, new_id, wire
from tests.architecture.surface import the_app


class Wish(Body):
    """A body."""

    size: int
    colour: str | None = None


class Thing(View):
    """A reply."""

    id: OrderId
    size: int


class Secretive(Thing):
    """More than the route says."""

    secret: str


steps: list[str] = []


async def first(request: Request) -> str:
    steps.append("first")
    if request.headers.get("x-refuse"):
        raise Conflict
    return "first"


def in_a_thread(one: Annotated[str, Depends(first)]) -> str:
    steps.append("thread")
    return f"{one} thread"


async def opened(one: Annotated[str, Depends(first)]) -> AsyncIterator[str]:
    steps.append("opened")
    try:
        yield "opened"
        steps.append("ended well")
    except Conflict:
        steps.append("undone")
        raise


async def checked(size: Annotated[int, Query(ge=1)] = 1, x_token: Annotated[str | None, Header()] = None) -> str:
    steps.append("checked")
    return f"{size} {x_token}"


First = Annotated[str, Depends(first)]
Opened = Annotated[str, Depends(opened, scope="function")]


def example(*, dispatched: bool) -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    install(app)

    @app.post("/things/{thing}", status_code=201)
    async def make(
        thing: OrderId,
        body: Wish,
        one: First,
        two: Annotated[str, Depends(in_a_thread)],
        three: Annotated[str, Depends(checked)],
        four: Opened,
        sort: Annotated[str | None, Query(max_length=3)] = None,
    ) -> Thing:
        steps.append(f"{one}, {two}, {three}, {four}, {sort}, {body}")
        if body.size == 13:
            raise Conflict
        return Thing(id=thing, size=body.size)

    @app.get("/page")
    async def page() -> Page[Thing]:
        steps.append("page")
        return Page(items=[Thing(id=new_id(), size=3)], next=None, count=None)

    @app.get("/secretive")
    async def secretive() -> Thing:
        return Secretive(id=new_id(), size=3, secret="s")

    @app.get("/secretive-page")
    async def secretive_page() -> Page[Thing]:
        return Page(items=[Secretive(id=new_id(), size=3, secret="s")], next=None, count=None)

    @app.get("/plain")
    async def plain() -> dict[str, Any]:
        return {"a": [1, None]}

    @app.get("/nothing")
    async def nothing(_: Opened) -> None:
        return None

    @app.delete("/nothing", status_code=204)
    async def gone() -> None:
        return None

    @app.get("/own")
    async def own() -> Response:
        return Response("own", media_type="text/plain")

    if dispatched:
        app.router.middleware_stack = Dispatch(app)
    return app


ORDER = wire("ord", new_id())
JSON = {"content-type": "application/json; charset=utf-8"}
REQUESTS: list[tuple[str, str, dict[str, str], bytes]] = [
    ("POST", f"/things/{ORDER}", JSON, b'{"size": 3}'),
    ("POST", f"/things/{ORDER}?size=7&sort=abc", JSON | {"x-token": "t"}, b'{"size": 3, "colour": "red"}'),
    ("POST", f"/things/{ORDER}?size=0&sort=abcd", JSON, b'{"size": "3", "shape": 1}'),
    ("POST", f"/things/{ORDER}?size=1&size=9", JSON, b'{"size": 3}'),
    ("POST", "/things/nonsense", JSON, b""),
    ("POST", "/things/nonsense", JSON | {"x-refuse": "1"}, b"{}"),
    ("POST", f"/things/{ORDER}", JSON, b'{"size": 13}'),
    ("POST", f"/things/{ORDER}", JSON, b"{"),
    ("POST", f"/things/{ORDER}", JSON, b"\xff\xfe"),
    ("POST", f"/things/{ORDER}", JSON, b"[" * 100_000),
    ("POST", f"/things/{ORDER}", {"content-type": "application/vnd.siyu+json"}, b'{"size": 3}'),
    ("POST", f"/things/{ORDER}", {"content-type": "text/plain"}, b'{"size": 3}'),
    ("POST", f"/things/{ORDER}", {}, b'{"size": 3}'),
    ("GET", "/page", {}, b""),
    ("GET", "/plain", {}, b""),
    ("GET", "/nothing", {}, b""),
    ("DELETE", "/nothing", {}, b""),
    ("GET", "/own", {}, b""),
]


async def answer(app: FastAPI, method: str, path: str, headers: dict[str, str], content: bytes) -> tuple[Any, ...]:
    steps.clear()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api") as client:
        reply = await client.request(method, path, headers=headers, content=content)
    body = json.loads(reply.content) if reply.content and "json" in reply.headers["content-type"] else reply.content
    for item in body.get("items", []) if isinstance(body, dict) else []:
        item["id"] = "made anew"
    # The framework names the type of a body that is not there.
    unlike = {"content-length"} | ({"content-type"} if not reply.content else set())
    sent = {name: value for name, value in reply.headers.items() if name not in unlike}
    return reply.status_code, body, sent, list(steps)


@pytest.mark.parametrize("number", range(len(REQUESTS)))
async def test_it_answers_as_the_framework_does(number: int) -> None:
    request = REQUESTS[number]
    ours, theirs = await answer(example(dispatched=True), *request), await answer(example(dispatched=False), *request)
    assert ours == theirs


async def test_what_is_opened_for_a_request_is_closed_before_the_reply_leaves() -> None:
    app = example(dispatched=True)
    assert (await answer(app, "POST", f"/things/{ORDER}", JSON, b'{"size": 13}'))[3][-1] == "undone"
    assert (await answer(app, "POST", f"/things/{ORDER}", JSON, b'{"size": 3}'))[3][-1] == "ended well"


async def test_no_field_leaves_that_the_route_does_not_name() -> None:
    for path in ("/secretive", "/secretive-page"):
        _, body, _, _ = await answer(example(dispatched=True), "GET", path, {}, b"")
        assert "secret" not in json.dumps(body)


def test_every_route_of_the_product_is_worked_out_beforehand() -> None:
    contexts = [one for one in iter_route_contexts(the_app().routes) if isinstance(one.original_route, APIRoute)]
    assert len(contexts) > 90
    assert [one.path for one in contexts if not Operation.serves(one)] == []
