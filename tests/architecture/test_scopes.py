"""Queries that forget whose reach they are for.

Each check is a function of source text, so that something planted can show that it finds it.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.test_layers import module_of
from tests.architecture.test_structure import TREES

CUSTOMERS_FLOWS = ("app/mall/orders/flows.py", "app/live/tip_flows.py")
"""Flows that only customers call: they take the actor for its id, which is all that a customer reaches."""

NOUNS = {
    path: tree
    for path, tree in TREES.items()
    if module_of(path) not in (None, "core") and not path.endswith("routes.py")
}


def functions_with_actor(tree: ast.AST) -> Iterator[tuple[ast.AsyncFunctionDef, str]]:
    """The functions that are given an actor, with its name. One that is not `async` can run no query."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef):
            for argument in (*node.args.args, *node.args.kwonlyargs):
                if argument.annotation is not None and ast.unparse(argument.annotation) in ("Actor", "Actor | None"):
                    yield node, argument.arg


def called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


TAKE_AN_ACTOR = {function.name for tree in NOUNS.values() for function, _ in functions_with_actor(tree)}
"""Whoever is given the actor as a whole is checked in its turn."""


def unscoped_functions(path: str, tree: ast.AST) -> list[str]:
    """Functions that are given an actor and neither put its reach into a query nor hand it to one that does."""
    reaches = reaches_of_customers if path in CUSTOMERS_FLOWS else reaches_of_staff
    return [
        f"{path}:{function.lineno} {function.name}"
        for function, actor in functions_with_actor(tree)
        if not any(
            isinstance(node, ast.Call) and (hands_on(node, actor) or reaches(function, node, actor))
            for node in ast.walk(function)
        )
    ]


def hands_on(call: ast.Call, actor: str) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return called_name(call) in TAKE_AN_ACTOR and any(ast.unparse(value) == actor for value in given)


def is_query(call: ast.Call) -> bool:
    """Statements, listings and the functions that run them take the session first."""
    return bool(call.args) and ast.unparse(call.args[0]) == "session"


def reaches_of_staff(function: ast.AsyncFunctionDef, call: ast.Call, actor: str) -> bool:
    """`scope=actor.scope` or `**reach_of(actor)` in a query; the latter may have a name of its own."""
    reaching = {f"reach_of({actor})", f"orders.reach_of({actor})"}
    reaching |= {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and ast.unparse(node.value) in reaching
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return is_query(call) and any(
        (keyword.arg == "scope" and ast.unparse(keyword.value) == f"{actor}.scope")
        or (keyword.arg is None and ast.unparse(keyword.value) in reaching)
        for keyword in call.keywords
    )


def reaches_of_customers(_: ast.AsyncFunctionDef, call: ast.Call, actor: str) -> bool:
    """The customer's id, by its name or by its place."""
    return is_query(call) and (
        any(ast.unparse(value) == f"{actor}.id" for value in call.args)
        or any(
            keyword.arg == "customer_id" and ast.unparse(keyword.value) == f"{actor}.id" for keyword in call.keywords
        )
    )


def test_no_query_of_staff_forgets_their_scope() -> None:
    assert set(CUSTOMERS_FLOWS) <= set(NOUNS)
    assert len(TAKE_AN_ACTOR) > 40
    assert [found for path, tree in NOUNS.items() for found in unscoped_functions(path, tree)] == []


EVERYWHERE = [
    "app/stores/staff.py",
    "app/stores/flows.py",
    "app/live/flows.py",
    "app/mall/aftersales/flows.py",
    "app/mall/orders/views.py",
    "app/insight/flows.py",
]
FORGETFUL = {
    "nothing": "return await _ALL.all(session)",
    "identity": "return await paging.read(session, OrderId, _ALL, staff_id=actor.id)",
    "log": "log.info('listed', actor=actor, scope=actor.scope)\n    return await _ALL.all(session)",
    "role": "if actor.role is Role.HQ:\n        return await _ALL.all(session)",
    "unused": "reach = reach_of(actor)\n    return await _ALL.all(session)",
    "compared": "return [row for row in await _ALL.all(session) if row.path == actor.scope_path]",
}
HEEDFUL = {
    "scope": "return await _ALL.all(session, scope=actor.scope)",
    "reach": "return await paging.read(session, OrderId, _ALL, **orders.reach_of(actor))",
    "named": "reach = reach_of(actor)\n    return await _ALL.all(session, **reach)",
    "handed on": "return await staff.list_staff(session, actor, paging)",
}
PLANTED = "async def list_everything(session: Session, actor: Actor) -> list[StaffView]:\n    {}\n"


@pytest.mark.parametrize("path", EVERYWHERE)
@pytest.mark.parametrize("body", FORGETFUL.values(), ids=FORGETFUL)
def test_a_planted_query_without_scope_is_found(path: str, body: str) -> None:
    assert unscoped_functions(path, ast.parse(PLANTED.format(body))) == [f"{path}:1 list_everything"]


@pytest.mark.parametrize("body", HEEDFUL.values(), ids=HEEDFUL)
def test_a_query_with_scope_is_let_be(body: str) -> None:
    assert unscoped_functions("app/stores/flows.py", ast.parse(PLANTED.format(body))) == []


@pytest.mark.parametrize("path", CUSTOMERS_FLOWS)
def test_a_customers_flow_names_the_customer(path: str) -> None:
    forgets = (
        "async def show(runtime: Runtime, actor: Actor, id: UUID) -> OrderView:\n    return await read(session, id)"
    )
    assert unscoped_functions(path, ast.parse(forgets)) == [f"{path}:1 show"]
    assert unscoped_functions(path, ast.parse(forgets.replace("id)", "id, customer_id=actor.id)"))) == []


WITHIN_REACH = {"staff", "managers", "regional"}
"""Policies whose callers reach different things; headquarters reaches all, `AnyStaff` is for what all read alike."""


POLICIES = {"CurrentStaff": "staff", "Managers": "managers", "Regional": "regional"}


def policy_of(annotation: ast.expr, tree: ast.Module) -> str | None:
    """The policy that a parameter depends on, through the aliases of its file; None for any other parameter."""
    named = POLICIES.get(ast.unparse(annotation))
    if named is not None:
        return named
    for node in ast.walk(annotation):
        if isinstance(node, ast.Call) and called_name(node) == "Depends" and node.args:
            return ast.unparse(node.args[0])
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == ast.unparse(annotation):
            return policy_of(statement.value, tree)
    return None


def forgetful_routes(path: str, tree: ast.Module) -> list[str]:
    """Routes of staff with a reach of their own that do not give the actor on."""
    return [
        f"{path}:{node.lineno} {node.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef)
        for argument in node.args.args
        if argument.annotation is not None and policy_of(argument.annotation, tree) in WITHIN_REACH
        if not any(isinstance(inner, ast.Call) and hands_on(inner, argument.arg) for inner in ast.walk(node))
    ]


def test_every_staff_route_gives_its_actor_on_or_is_for_all_alike() -> None:
    routes = {path: tree for path, tree in TREES.items() if path.endswith("routes.py") and module_of(path)}
    assert len(routes) > 8
    assert [found for path, tree in routes.items() for found in forgetful_routes(path, tree)] == []


@pytest.mark.parametrize(
    "annotation",
    [
        "CurrentStaff",
        "Managers",
        "Seller",
        "Annotated[Actor, Depends(managers)]",
        "Annotated[Actor, Depends(regional)]",
    ],
)
def test_a_planted_route_that_keeps_its_actor_is_found(annotation: str) -> None:
    planted = f"""
Seller = Annotated[Actor, Depends(staff)]
async def list_staff(actor: {annotation}, session: Reading, paging: PageQuery) -> Page[StaffView]:
    log.info("listed", actor=actor.id)
    return await staff.list_staff(session, paging)
"""
    assert forgetful_routes("app/stores/routes.py", ast.parse(planted)) == ["app/stores/routes.py:3 list_staff"]
    given_on = planted.replace("(session, paging)", "(session, actor, paging)")
    assert forgetful_routes("app/stores/routes.py", ast.parse(given_on)) == []
    assert (
        forgetful_routes("app/stores/routes.py", ast.parse(planted.replace(f"actor: {annotation}", "actor: AnyStaff")))
        == []
    )
