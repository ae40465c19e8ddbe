"""Facts and how they are written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from app.core import db
from app.core.db import AsyncSession


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, past tense and complete: a reader never calls back to learn an amount or a party.

    Subclasses name their type by `tag="room.fact_name"` and implement `stream`. They hold ids and money, never names
    or phone numbers. New fields need a default, so that old rows of the log stay readable.
    """

    known: ClassVar[dict[str, type["Fact"]]] = {}

    @property
    def stream(self) -> UUID:
        """The subject whose row the publisher holds: facts of one stream are read in the order of their making."""
        raise NotImplementedError  # every fact has its own; a Struct cannot be an ABC

    @classmethod
    def type_name(cls) -> str:
        tag = cls.__struct_config__.tag
        assert isinstance(tag, str), f"{cls.__name__} needs a tag"
        return tag


F_co = TypeVar("F_co", bound=Fact, covariant=True)


@dataclass(frozen=True, slots=True)
class Recorded(Generic[F_co]):
    """A fact as the log holds it. `replayed`: it was parked, and later ones have been sent before it."""

    seq: int
    published_at: datetime
    fact: F_co
    replayed: bool = False


_INSERT = "INSERT INTO event_inbox (type, stream, payload) VALUES ($1, $2, $3)"
_encoder = msgspec.json.Encoder()


def _row(fact: Fact) -> tuple[str, UUID, str]:
    return fact.type_name(), fact.stream, _encoder.encode(fact).decode()


async def publish(session: AsyncSession, fact: Fact) -> None:
    """Write `fact` down in the caller's transaction; the caller holds the row of its stream's subject."""
    await db.execute(session, _INSERT, *_row(fact))


async def publish_many(session: AsyncSession, facts: Sequence[Fact]) -> None:
    await db.executemany(session, _INSERT, [_row(fact) for fact in facts])


def decode(kinds: dict[str, type[Fact]], row: Any, *, replayed: bool = False) -> Recorded[Fact]:
    """A row of `event` as the fact it holds. Raises msgspec.ValidationError when it no longer fits its class."""
    fact = msgspec.convert(row["payload"], kinds[row["type"]])
    return Recorded(seq=row["seq"], published_at=row["published_at"], fact=fact, replayed=replayed)
