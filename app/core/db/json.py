"""JSONB: values go in and come out as Python's own, structs included."""

from dataclasses import dataclass
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Json:
    """A value that is one JSON document even where the driver would take a list for an array."""

    value: Any


def encode_jsonb(value: Any) -> bytes:
    """PostgreSQL's binary form: a version byte, then the text."""
    return b"\x01" + _encode(value.value if isinstance(value, Json) else value)


def decode_jsonb(data: bytes) -> Any:
    return _decode(memoryview(data)[1:])
