"""Bases of what comes in and what goes out."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from app.core.clock import rfc3339
from app.core.texts import is_plain

At = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment in a reply: RFC 3339 in UTC on the wire."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _written_out(value: Any) -> Any:
    """Neither a number of seconds nor one of the shorter forms that a parser would guess at."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise PydanticCustomError("moment_unreadable", "A moment is RFC 3339 with its offset: 2026-11-21T13:15:00Z")


def _of_this_century(value: datetime) -> datetime:
    if not datetime(2000, 1, 1, tzinfo=UTC) <= value < datetime(2100, 1, 1, tzinfo=UTC):
        raise PydanticCustomError("moment_out_of_range", "A moment lies in the years 2000 to 2099")
    return value


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_of_this_century),
    WithJsonSchema({"type": "string", "format": "date-time"}),  # it has no words for the bounds
]
"""A moment in a body: RFC 3339 with an offset, within this century, which every driver and calendar can count in."""


def _no_nul(value: str) -> str:
    """Text without the character that PostgreSQL cannot keep."""
    if "\0" in value:
        raise PydanticCustomError("nul_character", "Text may not hold the NUL character")
    return value


def _plain(value: str) -> str:
    if not is_plain(value):
        raise PydanticCustomError("not_plain", "Text may not hold control characters or line breaks")
    return value


def _plain_lines(value: str) -> str:
    return "\n".join(_plain(line) for line in value.replace("\r\n", "\n").split("\n"))


Plain = AfterValidator(_plain)
"""For short text that people write and others read: a name, a title. One line without control characters."""

PlainLines = AfterValidator(_plain_lines)
"""For what people write into a larger field: a remark. Lines without control characters."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=64), Plain]
"""What a person or a place is called."""

Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 -]{4,18}[0-9]$")]
"""A telephone number, as people write it."""

Region = Annotated[str, StringConstraints(min_length=1, max_length=32), Plain]
"""A province, a city or a district."""

Street = Annotated[str, StringConstraints(min_length=1, max_length=200), Plain]
"""An address below its city: street, number, building, door."""

Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="As it was read.")]
"""The version of a resource in a body that changes it."""

_INNER = ("schema", "items_schema", "keys_schema", "values_schema", "fields", "choices", "definitions")


def _exact(node: Any) -> Any:
    """The schema with its numbers and booleans strict and its texts without NUL, however deep."""
    if isinstance(node, list | tuple):
        return type(node)(_exact(inner) for inner in node)
    if not isinstance(node, Mapping):
        return node
    kind = node.get("type")
    if kind in ("int", "float", "bool"):
        return {**node, "strict": True}
    if kind == "str":
        return core_schema.no_info_after_validator_function(_no_nul, node)
    if kind == "function-after" and node["function"]["function"] is _no_nul:
        return node  # a body within a body
    if kind is None:
        return {name: _exact(inner) for name, inner in node.items()}
    return {name: _exact(inner) if name in _INNER else inner for name, inner in node.items()}


class Body(BaseModel):
    """A request body: unknown fields are refused, `true` and `"1"` are not numbers, text holds no NUL character."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, frozen=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema: CoreSchema = _exact(handler(source))
        return schema


class View(BaseModel):
    """A reply body: what can be absent is null, never missing."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
