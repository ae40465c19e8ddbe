"""The house: floors, doors, and what no file may hold."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel

from app import tables
from app.core.events import Fact
from app.rooms import CONSUMERS, CRONS, JOBS

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"
ROOMS = [
    "wechat",
    "ledger",
    "customers",
    "attribution",
    "payments",
    "mall",
    "stores",
    "distribution",
    "live",
    "insight",
]
FILES = sorted(APP.rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in FILES}

assert tables


def test_every_import_goes_down_and_through_a_door() -> None:
    # A process of its own: import-linter silences every logger of the process that it runs in.
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in FILES}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == [], "unseen by the contracts"


def test_a_door_does_not_open_the_rooms_edge() -> None:
    """Importing a room must not import what only composition roots may: routes, consumers, jobs, audits."""
    code = f"""
import importlib, sys
for room in {ROOMS!r}:
    importlib.import_module("app." + room)
edges = ("routes", "consumers", "jobs", "audit")
print([m for m in sys.modules if m.startswith("app.") and m.split(".")[1] in {ROOMS!r} and m.split(".")[-1] in edges])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_says_what_the_room_is_and_what_it_offers(room: str) -> None:
    module = __import__(f"app.{room}", fromlist=["__all__"])
    assert len((module.__doc__ or "").split()) > 15, "the docstring is the room's README"
    exported = getattr(module, "__all__", [])
    assert sorted(exported, key=str.casefold) == sorted(set(exported), key=str.casefold)
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
    assert found(("commit", "rollback"), allowed=("app/core/db.py", "app/schema.py")) == [
        f"app/mall/orders/payment.py:{call.lineno}"
        for call in calls_named(TREES["app/mall/orders/payment.py"], "commit")
        if ast.unparse(call.func) == "stock.commit"
    ]


def test_savepoints_are_taken_through_the_one_door() -> None:
    assert found(("begin_nested",), allowed=("app/core/db.py",)) == []


def test_only_flows_jobs_and_composition_open_transactions() -> None:
    edges = ("app/core/", "app/cli/", "app/demo/", "app/auditor.py", "app/worker.py", "app/main.py")
    opening = found(("transaction",), allowed=edges)
    ending = re.compile(r"/(flows|jobs|consumers|routes|takings|announcements|snapshots|gateway_pass)\.py:\d+$")
    assert [place for place in opening if not ending.search(place)] == []


def test_python_does_not_tell_the_time_of_deadlines() -> None:
    asked = [
        f"{path}:{call.lineno}"
        for path, tree in TREES.items()
        for call in calls_named(tree, "now", "utcnow", "today")
        if ast.unparse(call.func).startswith(("datetime.", "date.")) and "/simulator/" not in path
    ]
    assert [place for place in asked if not place.startswith("app/core/clock.py")] == []


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
    long_files = [path for path in TREES if (ROOT / path).read_text().count("\n") > 400]
    assert long_files == []
    long_functions = [
        f"{path}:{node.lineno} {node.name} {node.end_lineno - node.lineno + 1}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > 80
    ]
    assert long_functions == []


def all_facts(kind: type[Fact] = Fact) -> Iterator[type[Fact]]:
    for sub in kind.__subclasses__():
        if sub.__module__.startswith("app."):
            yield sub
        yield from all_facts(sub)


def test_every_fact_has_a_name_of_its_own_under_its_room() -> None:
    facts = list(all_facts())
    names = [fact.type_name() for fact in facts]
    assert len(names) > 8
    assert len(set(names)) == len(names)
    assert [fact for fact in facts if fact.type_name().split(".")[0] != fact.__module__.split(".")[1]] == []
    assert [fact for fact in facts if "stream" not in vars(fact)] == []
    personal = {"name", "nickname", "phone", "openid", "address"}
    assert [fact for fact in facts if personal & set(fact.__struct_fields__)] == []


def test_consumers_jobs_and_timers_have_names_of_their_own() -> None:
    for parts in (CONSUMERS, JOBS, CRONS):
        names = [part.name for part in parts]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+\.[a-z_]+", name) for name in names), names


def test_every_table_belongs_to_a_room_and_points_inside_or_down() -> None:
    floors = [
        "core",
        "wechat",
        "ledger",
        "customers",
        "attribution",
        "payments",
        "mall",
        "stores",
        "distribution",
        "live",
    ]

    def room_of(table: str) -> str:
        room = table.split("_")[0]
        return room if room in floors else "core"

    for table in SQLModel.metadata.tables.values():
        for key in table.foreign_keys:
            here, there = room_of(table.name), room_of(key.column.table.name)
            assert floors.index(there) <= floors.index(here), f"{table.name} points up to {key.column.table.name}"
            assert {here, there} != {"stores", "distribution"}
        for column in table.columns:
            if column.name.endswith("_fen"):
                assert str(column.type) == "BIGINT", f"{table.name}.{column.name}"
            if column.name.endswith("_at"):
                assert getattr(column.type, "timezone", False), f"{table.name}.{column.name}"
