"""The structure: layers, public interfaces, and what no file may hold."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from app import modules
from app.core.events import Event
from tests.architecture import contracts

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"
MODULES = list(modules.NAMES)
FILES = sorted(APP.rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in FILES}


def test_every_import_goes_down_and_through_a_public_interface() -> None:
    done = contracts.check()
    assert done.returncode == 0, done.stdout


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in FILES}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == [], "unseen by the contracts"


def test_a_public_interface_does_not_import_the_modules_edge() -> None:
    """Importing a module must not import what only composition roots may: routes, consumers, jobs, audits."""
    code = f"""
import importlib, sys
for module in {MODULES!r}:
    importlib.import_module("app." + module)
edges = ("routes", "consumers", "jobs", "audit", "manifest")
own = tuple("app." + module + "." for module in {MODULES!r})
print([m for m in sys.modules if m.startswith(own) and m.split(".")[-1] in edges])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_a_public_interface_says_what_the_module_is_and_what_it_offers(name: str) -> None:
    module = importlib.import_module(f"app.{name}")
    assert len((module.__doc__ or "").split()) > 15, "the docstring is the module's README"
    exported = getattr(module, "__all__", [])
    assert sorted(exported) == sorted(set(exported))
    assert [name for name in exported if not hasattr(module, name)] == []


def calls_named(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name in names:
                yield node


def found(names: tuple[str, ...], *, allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{path}:{call.lineno}"
        for path, tree in TREES.items()
        if not path.startswith(allowed)
        for call in calls_named(tree, *names)
    ]


def test_only_the_edge_commits() -> None:
    assert found(("commit", "rollback", "roll_back"), allowed=("app/core/db/", "app/migrations/")) == [
        f"app/mall/orders/payment.py:{call.lineno}"
        for call in calls_named(TREES["app/mall/orders/payment.py"], "commit")
        if ast.unparse(call.func) == "catalog.commit"
    ]


def test_only_flows_jobs_and_composition_open_transactions() -> None:
    edges = ("app/core/", "app/cli/", "app/demo/", "app/processes/", "app/migrations/")
    opening = found(("transaction", "alone"), allowed=edges)
    ending = re.compile(r"/(flows|tip_flows|collecting|callbacks|jobs|consumers|routes|snapshots)\.py:\d+$")
    assert [place for place in opening if not ending.search(place)] == []


def test_python_does_not_tell_the_time_of_deadlines() -> None:
    places = [
        f"{path}:{call.lineno}"
        for path, tree in TREES.items()
        for call in calls_named(tree, "now", "utcnow", "today")
        if ast.unparse(call.func).startswith(("datetime.", "date.")) and "/simulator/" not in path
    ]
    assert [place for place in places if not place.startswith("app/core/clock.py")] == []


MONEY = (
    "app/ledger/",
    "app/payments/",
    "app/mall/",
    "app/distribution/",
    "app/stores/",
    "app/core/money.py",
    "app/live/t",
)


@pytest.mark.parametrize("path", [path for path in TREES if path.startswith(MONEY)])
def test_no_fraction_comes_near_money(path: str) -> None:
    tree = TREES[path]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    imported = {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import) for alias in node.names
    }
    assert not (names | imported) & {"Decimal", "decimal", "Fraction", "fractions"}
    text = ast.unparse(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            assert "_fen" not in ast.unparse(node), ast.unparse(node)
            assert "_bps" not in ast.unparse(node), ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("float", "round"):
            assert "fen" not in ast.unparse(node), ast.unparse(node)
    assert not re.search(r"_fen: float|_bps: float|::(numeric|float8?|double precision)", text)


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(part.value for part in node.values if isinstance(part, ast.Constant))


def test_no_clock_inside_on_conflict_do_update() -> None:
    clock = re.compile(r"DO\s+UPDATE\s+SET(?:(?!;).)*?(?<![a-z_])(now|clock_timestamp|random)\(\)", re.S)
    assert [
        f"{path}:{line}" for path, tree in TREES.items() for line, text in strings(tree) if clock.search(text)
    ] == []


def test_no_verb_is_replaced_by_a_service_class_or_a_drawer() -> None:
    drawers = {"utils", "helpers", "common", "manager", "service", "services", "repository"}
    assert [path for path in TREES if set(Path(path).with_suffix("").parts) & drawers] == []
    classes = [
        f"{path}: {node.name}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and re.search(r"(Service|Repository|Manager|Helper)$", node.name)
    ]
    assert classes == []


def test_files_and_functions_stay_readable() -> None:
    texts = {
        path.relative_to(ROOT).as_posix(): path.read_text()
        for folder in ("app", "bench", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts
    }
    assert [path for path, text in texts.items() if text.count("\n") > 400] == []
    long_functions = [
        f"{path}:{node.lineno} {node.name} {node.end_lineno - node.lineno + 1}"
        for path, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 80
    ]
    assert long_functions == []


def all_events(kind: type[Event] = Event) -> Iterator[type[Event]]:
    for sub in kind.__subclasses__():
        if sub.__module__.startswith("app."):
            yield sub
        yield from all_events(sub)


def test_every_event_has_a_name_of_its_own_under_its_module() -> None:
    events = list(all_events())
    names = [event.type_name() for event in events]
    assert len(names) > 8
    assert len(set(names)) == len(names)
    assert [event for event in events if event.type_name().split(".")[0] != event.__module__.split(".")[1]] == []
    assert [event for event in events if "stream" not in vars(event)] == []
    personal = {"name", "nickname", "phone", "openid", "address"}
    assert [event for event in events if personal & set(event.__struct_fields__)] == []


def test_consumers_jobs_and_timers_have_names_of_their_own() -> None:
    for parts in (modules.consumers(), modules.jobs(), modules.timers()):
        names = [part.name for part in parts]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in names), names


def test_every_table_belongs_to_a_module_and_points_inside_or_down() -> None:
    owners = {str(table.__tablename__): name for name, m in modules.manifests().items() for table in m.tables}
    heights = {name: height for height, layer in enumerate(reversed(modules.LAYERS)) for name in layer}

    def owner_of(table: str) -> str:
        return owners.get(table, "core")

    for table in SQLModel.metadata.tables.values():
        for key in table.foreign_keys:
            here, there = owner_of(table.name), owner_of(key.column.table.name)
            assert here == there or heights[there] < heights[here], f"{table.name} points to {key.column.table.name}"
        for column in table.columns:
            if column.name.endswith("_fen"):
                assert str(column.type) == "BIGINT", f"{table.name}.{column.name}"
            if column.name.endswith("_at"):
                assert getattr(column.type, "timezone", False), f"{table.name}.{column.name}"
