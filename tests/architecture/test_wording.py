"""What a client is told of a wrong value names neither types of Python nor classes of ours."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.params import Param
from pydantic import TypeAdapter, ValidationError

from app.core.wording import _LIBRARYS_OWN, _WORDS, wording
from tests.architecture.surface import routes

WRONG = (
    None,
    True,
    5,
    -(10**30),
    1.5,
    float("inf"),
    "",
    "x",
    "x" * 5_000,
    "\ud800",
    "2026-13-45T25:00:00Z",
    "1999-01-01T00:00:00Z",
    "2101-01-01T00:00:00Z",
    "https://",
    "ftp://x",
    "https://exa mple",
    [],
    ["x"] * 300,
    [{}],
    {},
    {"x": 1},
)
OF_PYTHON = re.compile(
    r"<|datetime|tuple|dict|\bstr\b|\bint\b|Enum|instance|attributes|Input|Value|Literal|function|[a-z]_[a-z]+\(|\{"
)


def fields(dependant: Dependant) -> Iterator[ModelField]:
    for dependency in dependant.dependencies:
        yield from fields(dependency)
    yield from dependant.path_params + dependant.query_params + dependant.header_params + dependant.body_params


def faults_of(type_: TypeAdapter[Any], value: Any) -> list[Any]:
    try:
        type_.validate_python(value)
    except ValidationError as error:
        return list(error.errors())
    return []


def bodies_with(type_: TypeAdapter[Any], wrong: Any, schema: dict[str, Any]) -> Iterator[Any]:
    """Bodies with one value wherever the schema takes one, also inside lists and objects."""
    definitions = schema.get("$defs", {})

    def fill(part: dict[str, Any], deep: int) -> Iterator[Any]:
        yield wrong
        for one in part.get("anyOf", ()):
            yield from fill(one, deep)
        if "$ref" in part:
            yield from fill(definitions[part["$ref"].rpartition("/")[2]], deep)
        if "items" in part and deep:
            yield from ([inner] for inner in fill(part["items"], deep - 1))
        if "properties" in part and deep:
            yield from ({name: inner} for name, one in part["properties"].items() for inner in fill(one, deep - 1))

    yield from fill(schema, 3)


FIELDS = {
    f"{field.name} {field._type_adapter.json_schema()}": field
    for route in routes()
    for field in fields(route.dependant)
}


def found() -> list[Any]:
    faults = []
    for field in FIELDS.values():
        type_ = field._type_adapter
        sent_as_text = isinstance(field.field_info, Param)
        for wrong in (one for one in WRONG if isinstance(one, str) or not sent_as_text):
            for value in bodies_with(type_, wrong, type_.json_schema()):
                faults += faults_of(type_, value)
    return faults


@pytest.fixture(scope="module")
def faults() -> list[Any]:
    return found()


def test_every_kind_of_fault_that_our_schemas_find_has_words(faults: list[Any]) -> None:
    kinds = {fault["type"] for fault in faults}
    assert len(kinds) > 25
    assert kinds & _LIBRARYS_OWN <= _WORDS.keys()


def test_no_message_speaks_of_python(faults: list[Any]) -> None:
    told = {wording(fault) for fault in faults if fault["type"] != "string_pattern_mismatch"}
    assert [text for text in told if OF_PYTHON.search(text)] == []
    assert [text for text in told if text.endswith(".")] == []


def test_the_place_of_a_fault_is_made_of_what_was_sent(faults: list[Any]) -> None:
    parts = {str(part) for fault in faults for part in fault["loc"]}
    assert [part for part in parts if not re.fullmatch(r"[a-z0-9_]+", part)] == []


def test_secrets_are_counted_in_characters_and_lists_in_items(faults: list[Any]) -> None:
    told = {fault["type"]: set[str]() for fault in faults}
    for fault in faults:
        told[fault["type"]].add(wording(fault))
    assert told["too_short"] == {"Must have at least 10 characters", "Must not be empty"}
    assert {text.rpartition(" ")[2] for text in told["too_long"]} == {"characters", "items"}
    assert told["literal_error"] == {"Must be 'pickup'"}
