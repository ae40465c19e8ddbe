"""Events and how they are written down."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

from app.core.db import BulkInsert, Session
from app.core.events.models import OutboxRow


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, past tense and complete: a reader never calls back to learn an amount or a party.

    Subclasses name their type by `tag="module.past_tense"` and implement `stream`. They hold ids and money, never names
    or phone numbers. New fields need a default, so that old rows of the log stay readable.
    """

    known: ClassVar[dict[str, type["Event"]]] = {}

    @property
    def stream(self) -> UUID:
        """The subject whose row the publisher locks: events of one stream are read in the order of their making."""
        raise NotImplementedError  # every event has its own; a Struct cannot be an ABC

    @classmethod
    def type_name(cls) -> str:
        tag = cls.__struct_config__.tag
        assert isinstance(tag, str), f"{cls.__name__} needs a tag"
        return tag


E_co = TypeVar("E_co", bound=Event, covariant=True)


class Recorded(msgspec.Struct, Generic[E_co], frozen=True):
    """An event as the log holds it. `replayed`: it was a dead letter, and later ones have been sent before it."""

    seq: int
    published_at: datetime
    event: E_co
    replayed: bool = False


class LoggedEvent(msgspec.Struct, frozen=True):
    """A row of `event`. The payload is the JSON text, which `decode` reads into the event's class in one step."""

    seq: int
    type: str
    stream: UUID
    payload: str
    published_at: datetime


class _Outgoing(msgspec.Struct, frozen=True):
    type: str
    stream: UUID
    payload: Event


_PUBLISH = BulkInsert(OutboxRow, _Outgoing)


async def publish(session: Session, *events: Event) -> None:
    """Write events down in the caller's transaction; the caller holds the rows of their streams' subjects."""
    _PUBLISH.later(session, [_Outgoing(event.type_name(), event.stream, event) for event in events])


@cache
def _decoder(kind: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(kind)


def decode(kinds: Mapping[str, type[Event]], row: LoggedEvent, *, replayed: bool = False) -> Recorded[Event]:
    """A row of `event` as the event it holds. Raises msgspec.ValidationError when it no longer fits its class."""
    event = _decoder(kinds[row.type]).decode(row.payload)
    return Recorded(seq=row.seq, published_at=row.published_at, event=event, replayed=replayed)


def names_of(events: Sequence[type[Event]]) -> dict[str, type[Event]]:
    """Event classes by the type name that the log knows them by."""
    return {event.type_name(): event for event in events}
