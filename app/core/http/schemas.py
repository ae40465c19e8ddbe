"""Bases of what comes in and what goes out."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer

from app.core.clock import rfc3339

At = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""A moment: RFC 3339 in UTC on the wire."""


class Body(BaseModel):
    """A request body: unknown fields are refused, numbers and strings are not converted into each other."""

    model_config = ConfigDict(extra="forbid", strict=False, str_strip_whitespace=True, frozen=True)


class View(BaseModel):
    """A reply body: what can be absent is null, never missing."""

    model_config = ConfigDict(frozen=True, from_attributes=True)
