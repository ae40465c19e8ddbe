"""Layers beyond imports: folders, strings that know what stands above, and queries that forget their reader's scope.

Each check is a function of source text, so that something planted can show that it finds it.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from app import modules
from app.core.errors import AppError
from app.core.events import Event
from tests.architecture.test_structure import APP, TREES, all_events

HEIGHTS = {name: height for height, layer in enumerate(reversed(modules.LAYERS)) for name in layer}


def module_of(path: str) -> str | None:
    """The module that a file of `app/` belongs to; None for composition roots."""
    parts = Path(path).with_suffix("").parts[1:]
    for length in (2, 1):
        name = ".".join(parts[:length])
        if name in HEIGHTS:
            return name
    return None


def unlisted_folders(app: Path) -> list[str]:
    """Folders of `app/` that are in no layer."""
    listed = {name for layer in (*modules.LAYERS, *modules.ROOTS) for name in layer}
    listed |= {name.split(".")[0] for name in listed}
    found = [path for path in app.iterdir() if path.is_dir() and path.name != "__pycache__"]
    for name in {name.split(".")[0] for name in listed if "." in name}:
        found += [path for path in (app / name).iterdir() if path.is_dir() and path.name != "__pycache__"]
    names = (path.relative_to(app).as_posix().replace("/", ".") for path in found)
    return sorted(name for name in names if name not in listed)


def test_every_folder_is_in_a_layer() -> None:
    assert unlisted_folders(APP) == []


def test_a_planted_folder_is_found(tmp_path: Path) -> None:
    for name in ("core", "mall/orders", "mall/loyalty", "gamification"):
        (tmp_path / name).mkdir(parents=True)
    assert unlisted_folders(tmp_path) == ["gamification", "mall.loyalty"]


AUDIENCES = ("/v1/admin/", "/v1/partner/")
"""What addresses of staff and distributors begin with in every module: a convention of the core, nobody's own."""


@dataclass(frozen=True)
class Knowledge:
    """What names a module: the addresses of its routes, its tables, its events and its error codes."""

    addresses: Mapping[str, str]
    words: Mapping[str, str]


def knowledge() -> Knowledge:
    addresses: dict[str, str] = {}
    words: dict[str, str] = {}
    for name, manifest in modules.manifests().items():
        for router in manifest.routers:
            for route in router.routes:
                if isinstance(route, APIRoute):
                    addresses[re.sub(r"\{[^}]*\}", "*", route.path)] = name
        words |= {str(table.__tablename__): name for table in manifest.tables}
    for event in all_events(Event):
        words[event.type_name()] = owner(event.__module__)
    for code, error in AppError.registry.items():
        if error.__module__.startswith("app.") and "_" in code:
            words[code] = owner(error.__module__)
    return Knowledge(addresses, words)


def owner(module: str) -> str:
    return module_of(module.replace(".", "/") + ".py") or "core"


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """String constants that are not docstrings."""
    documents = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value


def upward_strings(path: str, tree: ast.AST, known: Knowledge) -> list[str]:
    """Strings of a file that name something of a module above its own."""
    here = module_of(path)
    if here is None:
        return []

    def above(name: str) -> bool:
        return HEIGHTS[name] > HEIGHTS[here]

    found = []
    for line, text in literals(tree):
        for address in re.findall(r"/v1/[\w/{}-]+", text):
            if address in AUDIENCES:
                continue
            plain = re.sub(r"\{[^}]*\}", "*", address)
            owners = {name for known_address, name in known.addresses.items() if known_address.startswith(plain)}
            if owners and all(above(name) for name in owners):
                found.append(f"{path}:{line} {address}")
        named = sorted(set(re.findall(r"[a-z]+(?:[._][a-z0-9]+)+", text)))
        found += [f"{path}:{line} {word}" for word in named if word in known.words and above(known.words[word])]
    return found


def test_nothing_below_names_what_stands_above_it() -> None:
    known = knowledge()
    assert len(known.addresses) > 60
    assert len(known.words) > 100
    assert [said for path, tree in TREES.items() for said in upward_strings(path, tree, known)] == []


@pytest.mark.parametrize(
    "planted",
    [
        'PATH = "/v1/mall/orders/{id}/close"',
        'TAG = "mall.order_paid"',
        'SQL = "UPDATE live_tip SET status = 1"',
        'CODE = "order_not_payable"',
    ],
)
def test_a_planted_upward_string_is_found(planted: str) -> None:
    assert len(upward_strings("app/payments/flows.py", ast.parse(planted), knowledge())) == 1
    assert upward_strings("app/insight/orders.py", ast.parse(planted), knowledge()) == []


def unscoped_functions(path: str, tree: ast.AST) -> list[str]:
    """Functions that are given a member of staff and neither use their scope or identity in a query nor hand them on.

    `actor.scope` is what `core.db.within` takes; `actor.id` counts only where a condition compares it, so it is allowed
    beside it, not instead of it, unless the file is about what is one person's own.
    """
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        takes = [arg.arg for arg in (*node.args.args, *node.args.kwonlyargs) if _is_actor(arg)]
        silent = [name for name in takes if not any(_uses(inner, name) for inner in ast.walk(node))]
        found += [f"{path}:{node.lineno} {node.name}" for _ in silent]
    return found


def _is_actor(argument: ast.arg) -> bool:
    return argument.annotation is not None and ast.unparse(argument.annotation) == "Actor"


def _uses(node: ast.AST, actor: str) -> bool:
    """The scope, the role (a decision on it), or the actor as a whole given to another function."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == actor:
        return node.attr in ("scope", "scope_path", "reaches", "role")
    if isinstance(node, ast.Call):
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        return any(isinstance(value, ast.Name) and value.id == actor for value in given)
    return False


NOUNS = {path: tree for path, tree in TREES.items() if module_of(path) and not path.endswith("routes.py")}


def customers_flow(found: str) -> bool:
    """Flows of customers take the actor for its id, which is their whole reach."""
    return "flows.py" in found


def test_no_query_of_staff_forgets_their_scope() -> None:
    found = [said for path, tree in NOUNS.items() for said in unscoped_functions(path, tree)]
    assert [said for said in found if not customers_flow(said)] == []


def test_a_planted_query_without_scope_is_found() -> None:
    planted = """
async def list_everything(session: Session, actor: Actor, paging: Paging) -> Page[OrderView]:
    return await paging.read(session, OrderId, _ORDERS, staff_id=actor.id)
"""
    assert unscoped_functions("app/mall/orders/views.py", ast.parse(planted)) == [
        "app/mall/orders/views.py:2 list_everything"
    ]


def test_every_staff_route_hands_its_actor_to_what_it_calls_or_is_for_all_alike() -> None:
    """A route that managers or guides may call gives the actor on, unless it says that all staff read the same."""
    silent = []
    for path, tree in TREES.items():
        if not path.endswith("routes.py") or module_of(path) is None:
            continue
        silent += [
            f"{path}:{node.lineno} {node.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.AsyncFunctionDef)
            and any(_is_scoped(argument) for argument in node.args.args)
            and not any(_uses(inner, "actor") or _names_id(inner) for inner in ast.walk(node))
        ]
    assert silent == []


def _is_scoped(argument: ast.arg) -> bool:
    return argument.annotation is not None and ast.unparse(argument.annotation) in (
        "CurrentStaff",
        "Managers",
        "Regional",
    )


def _names_id(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "actor.id"
