"""The public surface: a policy on each route, documented errors, texts in both languages, nothing changed unawares."""

import inspect
import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from app import modules
from app.core.auth.policy import Allow, Public
from app.core.errors import NotFound, ValidationFailed
from app.core.http import problems
from app.core.http.audiences import Audience, part_for
from app.core.http.dependencies import open_reading, open_transaction
from app.core.http.pages import CursorInvalid
from app.core.http.problems import ALWAYS
from app.core.http.shapes import codes_of
from app.live.errors import SOCKET_ERRORS
from app.live.frames import ErrorCode
from app.payments.callbacks import CALLBACK_ERRORS
from app.processes.api import SHARED
from tests.architecture.surface import (
    all_errors,
    calls,
    name_of,
    openapi,
    operations,
    policies,
    raised_before,
    routes,
    same_as_kept,
    the_app,
)

ROUTES = routes()
NAMES = [name_of(route) for route in ROUTES]
OPERATIONS = operations()


def by_operation(check: Any) -> Any:
    return pytest.mark.parametrize("operation", [o for _, o in OPERATIONS], ids=[name for name, _ in OPERATIONS])(check)


def by_route(check: Any) -> Any:
    return pytest.mark.parametrize("route", ROUTES, ids=NAMES)(check)


@by_route
def test_who_may_call_is_declared_once(route: APIRoute) -> None:
    assert len(policies(route)) == 1, "name one policy: an actor of core.auth, or dependencies=[public]"


@by_route
def test_the_policy_comes_first_and_the_transaction_last(route: APIRoute) -> None:
    """Redis and the policy's own look into the database cannot run while the request's transaction is open."""
    order = list(calls(route.dependant))
    opening = [call for call in order if call in (open_reading, open_transaction)]
    assert len(opening) <= 1
    if opening:
        opened = order.index(opening[0])
        assert order.index(policies(route)[0]) < opened
        limits = [place for place, call in enumerate(order) if getattr(call, "__qualname__", "").startswith("limit.")]
        assert all(place < opened for place in limits), "a limit asks Redis"


@by_route
def test_nothing_behind_a_route_runs_in_a_thread(route: APIRoute) -> None:
    """A plain function costs a thread, and two of them at once share what a dependency keeps."""
    behind = [call if inspect.isroutine(call) else type(call).__call__ for call in calls(route.dependant)]
    plain = [
        call
        for call in (*behind, route.endpoint)
        if not (inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call))
    ]
    assert plain == []


@by_route
def test_a_get_reads_without_a_transaction(route: APIRoute) -> None:
    if route.methods == {"GET"}:
        assert open_transaction not in calls(route.dependant), "take `Reading`"


@by_route
def test_the_audience_is_in_the_path(route: APIRoute) -> None:
    (policy,) = policies(route)
    if isinstance(policy, Allow) and type(policy) is Allow:
        assert (policy.kind.value == "staff") == route.path.startswith("/v1/admin/")
    elif isinstance(policy, Public):
        assert not route.path.startswith(("/v1/admin/", "/v1/partner/")) or route.path.startswith("/v1/admin/session")


def test_no_two_routes_answer_one_address() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert [name for name in NAMES if name.startswith("PATCH")] == [], "wx.request cannot send it"


@by_operation
def test_each_operation_is_documented(operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert len(operation["summary"]) <= 80
    assert operation["tags"]
    documented = {int(status) for status in operation["responses"]}
    parameters = {(one["in"], one["name"].lower()) for one in operation.get("parameters", [])}
    if operation.get("security"):
        assert 401 in documented
    if any(where == "path" for where, _ in parameters):
        assert documented & {404}
    if ("header", "idempotency-key") in parameters:
        assert {409, 422} <= documented


@by_operation
def test_each_operation_says_what_any_call_may_answer(operation: dict[str, Any]) -> None:
    assert {error.code() for error in ALWAYS} <= codes(operation)


@by_route
def test_a_route_names_only_what_its_flow_raises(route: APIRoute) -> None:
    named = {code for response in route.responses.values() for code in codes_of(response)}
    assert named & raised_before(route) == set(), "its dependencies declare this, or every operation may answer it"


def test_each_group_of_operations_is_described() -> None:
    used = {tag for _, operation in OPERATIONS for tag in operation["tags"]}
    assert used == {tag["name"] for tag in openapi()["tags"]}, "describe it in the manifest"


def test_a_group_of_operations_is_described_by_one_module() -> None:
    described = [tag for manifest in modules.manifests().values() for tag in manifest.tags]
    assert sorted(described) == sorted(set(described))


def test_operations_are_named_for_good() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert [name for name in names if not re.fullmatch(r"[a-z]+\.[a-z]+[A-Za-z]*", name)] == []
    assert sorted(set(names)) == sorted(names), "staff's and customers' functions of one module need names of their own"
    for name, operation in OPERATIONS:
        assert operation["operationId"].split(".")[0] == operation["tags"][0].split(":")[0], name


@by_route
def test_the_login_that_a_route_takes_is_published(route: APIRoute) -> None:
    (policy,) = policies(route)
    for method in route.methods or ():
        operation = openapi()["paths"].get(route.path, {}).get(method.lower())
        if operation is not None:
            taken = {next(iter(one), "") for one in operation["security"]}
            assert taken == set(getattr(policy, "lets_in", ()))
            assert route.path.startswith("/v1/admin/") <= (taken <= {"staff"})


def codes(operation: dict[str, Any]) -> set[str]:
    return {code for response in operation["responses"].values() for code in codes_of(response)}


@by_operation
def test_errors_of_what_stands_before_a_route_are_published_with_it(operation: dict[str, Any]) -> None:
    parameters = {one["name"] for one in operation.get("parameters", [])}
    if operation.get("security"):
        assert "unauthenticated" in codes(operation)
        assert "forbidden" in codes(operation) or operation["summary"] == "Log out"
    if {"limit", "after"} <= parameters:
        assert "cursor_invalid" in codes(operation)
    if "Idempotency-Key" in parameters:
        assert {"idempotency_key_reused", "still_running"} <= codes(operation)
        (done,) = [response for status, response in operation["responses"].items() if status.startswith("2")]
        assert "Idempotency-Replayed" in done["headers"]
    if "429" in operation["responses"]:
        assert "Retry-After" in operation["responses"]["429"]["headers"]


def test_a_limited_operation_publishes_its_budget() -> None:
    limited = {
        operation["operationId"]: operation["responses"]["429"]["description"]
        for _, operation in OPERATIONS
        if "429" in operation["responses"]
    }
    wrong = {
        name: said for name, said in limited.items() if not re.search(r": at most \d+ in a minute per caller", said)
    }
    assert wrong == {}
    assert limited["mall.placeOrder"] == "`rate_limited`: at most 30 in a minute per caller"
    assert limited["stores.logIn"].endswith("10 in a minute per caller and 30 in 10 minutes per login name")


def test_what_customers_have_asked_of_wechat_is_limited() -> None:
    asking = {
        operation["operationId"]: set(operation["responses"])
        for path, operation in OPERATIONS
        if "502" in operation["responses"] and not path.startswith("/v1/admin/")
    }
    assert len(asking) > 5
    assert {name for name, statuses in asking.items() if "429" not in statuses} == set()


NEVER_TOLD = {
    "balance_too_low",
    "charge_already_paid",
    "charge_closed_at_wechat",
    "charge_not_open",
    "conflict",
    "refund_funds_short",
    "refund_refused",
    "too_many",
    "trade_number_reused",
    "unavailable",
    "unprocessable",
}
"""Roots, and what a flow answers in another way."""


async def test_the_page_of_errors_shows_what_somebody_can_receive_and_who_answers_it() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(the_app()), base_url="http://api") as client:
        page = (await client.get("/docs/errors")).text
    rows = dict(re.findall(r'<tr id="(\w+)">.*?<td>([^<]*)</tr>', page, re.DOTALL))
    published = {code for _, operation in OPERATIONS for code in codes(operation)}
    assert published <= rows.keys()
    assert rows.keys() | NEVER_TOLD == {error.code() for error in all_errors()}
    assert rows.keys() & NEVER_TOLD == set()
    assert set(rows["out_of_stock"].split(", ")) == {"mall.placeOrder", "mall.setStock"}
    assert rows["internal_error"] == "every operation"
    assert rows["payment_mismatch"] == "WeChat&#x27;s callbacks"
    assert rows["ticket_refused"] == "the live socket"
    assert rows["method_not_allowed"] == "any other address"
    assert all(rows.values())


def test_the_page_of_errors_knows_every_code_of_the_socket() -> None:
    sent = {code.value for code in ErrorCode} & {error.code() for error in all_errors()}
    assert sent <= {error.code() for error in SOCKET_ERRORS}


def test_callbacks_are_refused_in_wechats_form() -> None:
    for path in ("/v1/payments/{merchant}/transactions/notify", "/v1/payments/{merchant}/refunds/notify"):
        responses = openapi()["paths"][path]["post"]["responses"]
        for error in CALLBACK_ERRORS:
            schema = responses[str(error.status_code)]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/CallbackRefusal"}


def test_added_errors_of_one_status_join_those_that_are_there() -> None:
    both = problems(NotFound, CursorInvalid) | problems(ValidationFailed, NotFound)
    assert sorted(both) == [404, 422]
    assert codes_of(both[422]) == ["cursor_invalid", "validation_failed"]
    order = openapi()["paths"]["/v1/mall/orders"]["post"]["responses"]
    assert set(codes_of(order["422"])) == {"validation_failed", "idempotency_key_reused", "line_repeated"}


def test_no_operation_documents_the_frameworks_own_error() -> None:
    wrong = [name for name, operation in OPERATIONS if "HTTPValidationError" in str(operation)]
    assert wrong == []
    assert openapi()["components"]["schemas"].keys() & {"HTTPValidationError", "ValidationError"} == set()


def test_every_error_speaks_both_languages() -> None:
    for error in all_errors():
        assert re.search(r"[a-z]", error.en), error
        assert re.search(r"[\u4e00-\u9fff]", error.zh), error
        told = re.findall(r"{(\w+)}", error.en)
        assert sorted(told) == sorted(re.findall(r"{(\w+)}", error.zh)), f"{error}: the languages name other details"
        assert 400 <= error.status_code < 600


def test_one_class_is_one_code() -> None:
    codes = [error.code() for error in all_errors()]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_list_of_codes_is_the_kept_one() -> None:
    same_as_kept("errors.txt", "".join(f"{error.status_code} {error.code()}\n" for error in all_errors()))


def test_the_list_of_operations_is_the_kept_one() -> None:
    lines = sorted(
        f"{name} {operation['operationId']} -> {' '.join(sorted(operation['responses']))}"
        for name, operation in OPERATIONS
    )
    same_as_kept("operations.txt", "\n".join(lines) + "\n")


def test_each_audience_has_its_part_of_the_document_and_the_parts_are_whole() -> None:
    parts = {audience: part_for(openapi(), audience, SHARED) for audience in Audience}
    for audience, part in parts.items():
        assert len(part["paths"]) > 3
        schemas = part["components"]["schemas"]
        assert set(re.findall(r"schemas/(\w+)", str(part))) == set(schemas)
        assert (audience is Audience.STAFF) == any(path.startswith("/v1/admin/") for path in part["paths"])
    covered = {path for part in parts.values() for path in part["paths"]}
    beside = {path for path in openapi()["paths"] if path not in covered}
    assert all(path.startswith("/health/") or path.endswith("/notify") for path in beside), beside
    assert "PlacedView" not in parts[Audience.STAFF]["components"]["schemas"]
    assert "PlacedView" in openapi()["components"]["schemas"], "making a part leaves the whole as it is"


async def test_the_parts_are_served(api: httpx.AsyncClient) -> None:
    whole, staff = (await api.get("/openapi.json")).json(), (await api.get("/openapi.json?audience=staff")).json()
    assert whole["paths"].keys() > staff["paths"].keys()
    assert staff["info"]["title"] == "Siyu: staff"
    assert (await api.get("/openapi.json?audience=somebody")).status_code == 422
