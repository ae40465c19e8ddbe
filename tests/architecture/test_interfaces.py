"""Public interfaces: whatever a package offers has a user."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

import pytest

from app import modules
from app.core.events import Event
from tests.architecture.test_structure import ROOT, TREES, all_events

SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
    for folder in ("app", "bench", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
}


def offered(tree: ast.Module) -> set[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__":
            return set(ast.literal_eval(statement.value))
    return set()


def used_of(package: str, tree: ast.AST) -> Iterator[str]:
    """The names of a package that a file imports, or reads from it by its name."""
    parent, _, last = package.rpartition(".")
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module == parent:
            called |= {alias.asname or alias.name for alias in node.names if alias.name == last}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in called:
            yield node.attr


def types_in(trees: Iterable[ast.Module], names: set[str]) -> Iterator[str]:
    """The names in the signatures of these functions, and in the bases and annotations of these classes."""
    for tree in trees:
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in names:
                for part in ast.walk(node):
                    annotations = [getattr(part, "annotation", None), getattr(part, "returns", None)]
                    for text in (*annotations, *getattr(part, "bases", ())):
                        yield from re.findall(r"\w+", ast.unparse(text)) if text is not None else ()


def unused(package: str, sources: Mapping[str, ast.Module]) -> set[str]:
    """What a package offers and nobody outside takes, neither by its name nor as the type of something taken."""
    folder = package.replace(".", "/")
    left = offered(sources[f"{folder}/__init__.py"])
    own = [tree for path, tree in sources.items() if path.startswith(f"{folder}/")]
    taken = {
        name
        for path, tree in sources.items()
        if not path.startswith(f"{folder}/")
        for name in used_of(package, tree)
        if name in left
    }
    while taken:
        left -= taken
        taken = left & set(types_in(own, taken))
    return left


PACKAGES = [path.removesuffix("/__init__.py").replace("/", ".") for path in TREES if path.endswith("/__init__.py")]


@pytest.mark.parametrize("package", [package for package in PACKAGES if package != "app"])
def test_what_a_package_offers_is_used(package: str) -> None:
    """Events are for readers that may come: the log keeps them for good."""
    assert modules.manifests()
    events = {event.__name__ for event in all_events(Event)}
    assert unused(package, SOURCES) - events == set()


def test_a_planted_offer_that_nobody_takes_is_found() -> None:
    sources = {
        "app/loyalty/__init__.py": "__all__ = ['Points', 'grant', 'Unasked', 'forget']",
        "app/loyalty/points.py": """
class Points: ...
class Unasked: ...
def grant(session: Session) -> Points: ...
def forget(session: Session) -> Unasked: ...
""",
        "app/live/tips.py": "from app import loyalty\nloyalty.grant(session)",
    }
    assert unused("app.loyalty", {path: ast.parse(text) for path, text in sources.items()}) == {"Unasked", "forget"}
