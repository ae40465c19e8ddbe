"""Bases of what comes in and what goes out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler, PlainSerializer
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from app.core.clock import rfc3339

At = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment: RFC 3339 in UTC on the wire."""


def _no_nul(value: str) -> str:
    """Text without the character that PostgreSQL cannot keep."""
    if "\0" in value:
        raise PydanticCustomError("nul_character", "Text may not hold the NUL character")
    return value


NoNul = AfterValidator(_no_nul)
"""For text that comes in beside the body."""

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
