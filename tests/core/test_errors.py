"""Errors say in their class what their details are: raised so everywhere, and published so."""

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from app.core import errors
from app.core.errors import AppError, Conflict, RateLimited, VersionConflict
from app.core.http.problems import problem_body
from app.core.http.shapes import NoDetails, details_of, shape_of
from app.core.ids import SkuId, new_id, wire
from tests.architecture.surface import all_errors

APP = Path(errors.__file__).parents[1]
BY_NAME = {error.__name__: error for error in all_errors()}


class ThingGone(Conflict):
    """One of several details may be left out."""

    en = "{left} left."
    zh = "剩余 {left}。"
    sku: SkuId
    left: int
    why: str | None = None


def test_details_are_sent_in_the_published_shape() -> None:
    sku = new_id()
    error = ThingGone(sku=sku, left=2)
    assert (error.sku, error.left, error.why) == (sku, 2, None)
    body = problem_body(error, "en", None)
    assert body["details"] == {"sku": wire("sku", sku), "left": 2, "why": None}
    assert body["detail"] == "2 left."
    jsonschema_rs.validate(shape_of(ThingGone).model_json_schema(), body)


@pytest.mark.parametrize("details", [{}, {"sku": 1}, {"sku": 1, "left": 2, "size": 3}])
def test_nobody_raises_an_error_without_its_details_or_with_others(details: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="thing_gone takes sku, left, why"):
        ThingGone(**details)


def test_every_error_publishes_a_schema_of_its_own() -> None:
    for error in all_errors():
        schema = shape_of(error).model_json_schema()
        assert schema["properties"]["code"]["const"] == error.code()
        assert schema["properties"]["status"]["const"] == error.status_code
        assert not isinstance(vars(error).get("status"), int), "the HTTP status is status_code"
        details = details_of(error)
        assert (details is NoDetails) == (not error.shape)
        assert set(details.model_fields) == set(error.shape)


def test_texts_name_only_details() -> None:
    for error in all_errors():
        for text in (error.en, error.zh):
            assert text.format_map(dict.fromkeys(error.shape, "x")), error


def raised() -> list[tuple[str, type[AppError], set[str]]]:
    """Every place that makes an error by its class, with the details that it names."""
    found = []
    for path in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in BY_NAME and all(keyword.arg for keyword in node.keywords):
                    given = {str(keyword.arg) for keyword in node.keywords}
                    found.append((f"{path.relative_to(APP)}:{node.lineno}", BY_NAME[name], given))
    return found


def test_every_place_that_raises_an_error_gives_its_details() -> None:
    places = raised()
    assert len(places) > 40
    wrong = []
    for place, error, given in places:
        required = {name for name in error.shape if not hasattr(error, name)}
        if not required <= given <= error.shape.keys():
            wrong.append(f"{place} {error.__name__} gets {sorted(given)}, takes {sorted(error.shape)}")
    assert wrong == []


def test_no_place_raises_the_bare_class_of_an_error_that_has_details() -> None:
    wrong = []
    for path in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
                error = BY_NAME.get(node.exc.id)
                if error and any(not hasattr(error, name) for name in error.shape):
                    wrong.append(f"{path.relative_to(APP)}:{node.lineno} {error.__name__}")
    assert wrong == []


def test_what_is_told_can_be_written_as_json() -> None:
    for error in (RateLimited(retry_after_ms=1500), VersionConflict(version=3)):
        assert json.loads(json.dumps(problem_body(error, "zh-CN", "r")))["code"] == error.code()
    assert RateLimited(retry_after_ms=1500).headers() == {"Retry-After": "2"}


def test_all_errors_are_found() -> None:
    for module in ("app.live.errors", "app.stores.errors", "app.wechat.errors"):
        classes = [one for one in vars(importlib.import_module(module)).values() if isinstance(one, type)]
        assert {one for one in classes if issubclass(one, AppError) and one.__module__ == module} <= set(all_errors())
