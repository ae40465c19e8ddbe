"""Layers beyond imports: folders, and strings that know what stands above.

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
