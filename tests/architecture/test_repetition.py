"""Nothing is written twice: functions with the same body, types of fields and views with the same words."""

import ast
import re
from collections import defaultdict
from collections.abc import Mapping

import pytest

from tests.architecture.test_structure import TREES

SHORT = 60
"""Characters of a body that may be said again."""


def words_of(node: ast.AST) -> str | None:
    """What a function does, an annotated type is or a view holds; None for the rest.

    Functions of the same shape around statements of their own file do different things, and events may have like fields.
    """
    if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Annotated["):
        return ast.unparse(node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        body = _said(node)
        words = "\n".join([ast.unparse(node.args), *body])
        short = len(words) < SHORT or (words.startswith("self") and len(body) < 2)
        return None if short or re.search(r"\b_[A-Z]", words) else words
    if isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] in (["View"], ["Body"]):
        fields = _said(node)
        return "\n".join(fields) if len(fields) > 1 else None
    return None


def _said(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[str]:
    return [ast.unparse(part) for part in (node.body[1:] if ast.get_docstring(node) else node.body)]


def written_twice(trees: Mapping[str, ast.AST]) -> list[str]:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path, tree in trees.items():
        for node in ast.walk(tree):
            words = words_of(node)
            if words is not None:
                places[words].append(f"{path}:{getattr(node, 'lineno', 0)}")
    return [" = ".join(found) for found in places.values() if len(found) > 1]


def test_nothing_is_written_twice() -> None:
    assert written_twice({path: tree for path, tree in TREES.items() if "/migrations/" not in path}) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "async def show(session: Session, id: UUID) -> View:\n    '''A.'''\n    return of(await read(session, id))",
            "async def _shown(session: Session, id: UUID) -> View:\n    return of(await read(session, id))",
        ),
        (
            "Name = Annotated[str, StringConstraints(min_length=1, max_length=64), Plain]",
            "Name = Annotated[str, StringConstraints(min_length=1, max_length=64), Plain]",
        ),
        (
            "class StoreLabel(View):\n    '''A store.'''\n    id: StoreId\n    name: str",
            "class PartyView(View):\n    id: StoreId\n    name: str",
        ),
    ],
)
def test_what_is_planted_twice_is_found(one: str, other: str) -> None:
    trees = {"app/a.py": ast.parse(one), "app/b.py": ast.parse(other)}
    assert written_twice(trees) == ["app/a.py:1 = app/b.py:1"]
