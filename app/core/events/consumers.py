"""Readers of the log: transactional ones and relays, and one step of each."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any
from uuid import UUID

import msgspec
import structlog

from app.core.db import BulkInsert, Listing, Session, Statement, savepoint
from app.core.events.log import Event, LoggedEvent, Recorded, decode, names_of
from app.core.events.models import DeadLetterRow
from app.core.faults import is_transient
from app.core.ids import new_id
from app.core.runtime import Runtime

log = structlog.get_logger(__name__)

_BATCH = 1_000
_WINDOW = 10_000
"""How many numbers one statement passes over, so that a reader of a rare event gets through a log of any length."""
_TRIES = 3

Apply = Callable[[Session, Sequence[Recorded[Any]]], Awaitable[None]]
Send = Callable[[Runtime, Sequence[Recorded[Any]]], Awaitable[None]]


@dataclass(frozen=True)
class Consumer:
    """One named reader. `events` are the types it reads; its name is its cursor and must never change.

    `concerning` narrows them: a predicate in SQL's JSON path language over the payload. The database passes over the
    others, which costs a thirtieth of sending and decoding them here.
    """

    name: str
    events: tuple[type[Event], ...]
    batch: int = field(default=_BATCH, kw_only=True)
    concerning: str | None = field(default=None, kw_only=True)

    @cached_property
    def kinds(self) -> Mapping[str, type[Event]]:
        return names_of(self.events)


@dataclass(frozen=True)
class Transactional(Consumer):
    """`apply(session, batch)` writes the effects; batch and cursor are committed together."""

    apply: Apply


@dataclass(frozen=True)
class Relay(Consumer):
    """`send(runtime, batch)` tells the outside, one event after the other, up to the first that it cannot tell; it must be
    harmless when a batch comes again.

    Batches come in the order of their numbers, save for what became a dead letter: it is sent after later ones, alone
    and with `replayed` set.
    """

    send: Send


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that becomes a dead letter with its error, or without one when it only waits behind another."""

    row: LoggedEvent
    error: str | None


class _DeadLetter(msgspec.Struct, frozen=True):
    id: UUID
    consumer: str
    seq: int
    stream: UUID
    type: str
    error: str | None
    attempts: int


_HEAD = Statement("SELECT coalesce(max(seq), 0) FROM event", int)
_BEHIND = Statement(
    """SELECT EXISTS (SELECT FROM event WHERE seq > c.seq) FROM event_cursor c WHERE c.consumer = :name""", bool
)
_READ = Listing(
    """SELECT seq, type, stream, payload::text AS payload, published_at FROM event
       WHERE seq > :after AND seq <= :until AND type = ANY(:types) AND {filters} ORDER BY seq LIMIT :batch""",
    LoggedEvent,
    filters={"concerning": "payload @@ CAST(:concerning AS jsonpath)"},
    custom_plan=False,
)
_REGISTER = Statement("INSERT INTO event_cursor (consumer, seq) VALUES (:name, 0) ON CONFLICT DO NOTHING")
_CURSOR = Statement("SELECT seq FROM event_cursor WHERE consumer = :name", int)
_LOCK_CURSOR = Statement("SELECT seq FROM event_cursor WHERE consumer = :name FOR UPDATE", int)
_TRY_CURSOR = Statement("SELECT seq FROM event_cursor WHERE consumer = :name FOR UPDATE SKIP LOCKED", int)
_MOVE_CURSOR = Statement("UPDATE event_cursor SET seq = :seq, moved_at = clock_timestamp() WHERE consumer = :name")
_BLOCKED = Statement(
    """SELECT DISTINCT stream FROM event_dead_letter
       WHERE consumer = :name AND resolved_at IS NULL AND stream = ANY(:streams)""",
    UUID,
)
_BURY = BulkInsert(DeadLetterRow, _DeadLetter)
_CHECK_NOW = Statement("SET CONSTRAINTS ALL IMMEDIATE")
_CHECK_LATER = Statement("SET CONSTRAINTS ALL DEFERRED")


async def register(session: Session, consumers: Sequence[Consumer]) -> None:
    """Give each consumer its cursor; a new one begins at the beginning of the log."""
    await _REGISTER.run_many(session, [{"name": consumer.name} for consumer in consumers])


async def is_behind(session: Session, consumer: Consumer) -> bool:
    """Whether there are events that the consumer has not passed; without a lock, which would be a write."""
    return bool(await _BEHIND.first(session, name=consumer.name))


async def lock_cursor(session: Session, consumer: Consumer) -> int | None:
    """Where the consumer stands; nobody else moves it until the transaction ends."""
    return await _LOCK_CURSOR.first(session, name=consumer.name)


async def run_once(runtime: Runtime, consumer: Consumer) -> int:
    """Read the next batch; how far the cursor moved (0: nothing new, or another worker has the cursor)."""
    if isinstance(consumer, Transactional):
        try:
            async with runtime.db.transaction() as session:
                return await _step(session, consumer, one_by_one=False)
        except Exception as error:
            if is_transient(error):
                raise
            log.warning("batch_failed", consumer=consumer.name, error=repr(error))
        async with runtime.db.transaction() as session:
            return await _step(session, consumer, one_by_one=True)
    assert isinstance(consumer, Relay)
    return await _relay(runtime, consumer)


async def _read(session: Session, consumer: Consumer, after: int) -> tuple[list[LoggedEvent], int]:
    """The next rows of the consumer's types, and the number up to which everything has then been seen."""
    head = await _HEAD.one(session)
    if head <= after:
        return [], after
    until = min(head, after + _WINDOW)
    rows = await _READ.all(
        session,
        after=after,
        until=until,
        types=list(consumer.kinds),
        batch=consumer.batch,
        concerning=consumer.concerning,
    )
    return rows, (rows[-1].seq if len(rows) == consumer.batch else until)


async def _step(session: Session, consumer: Transactional, *, one_by_one: bool) -> int:
    after = await _TRY_CURSOR.first(session, name=consumer.name)
    if after is None:
        return 0
    rows, seen = await _read(session, consumer, after)
    if seen == after:
        return 0
    blocked = await _blocked_streams(session, consumer, rows)
    ready, refused = _apart(rows, blocked)
    if one_by_one:
        refused += await _one_by_one(ready, partial(try_apply, session, consumer))
    elif ready:
        await consumer.apply(session, _decoded(consumer, ready))
    await _advance(session, consumer, seen, refused)
    return seen - after


def _apart(rows: Sequence[LoggedEvent], blocked: set[UUID]) -> tuple[list[LoggedEvent], list[Refused]]:
    """What may be handled now, and what waits behind a dead letter of its stream."""
    ready = [row for row in rows if row.stream not in blocked]
    return ready, [Refused(row, None) for row in rows if row.stream in blocked]


def _decoded(consumer: Consumer, rows: Sequence[LoggedEvent]) -> list[Recorded[Event]]:
    return [decode(consumer.kinds, row) for row in rows]


async def _blocked_streams(session: Session, consumer: Consumer, rows: Sequence[LoggedEvent]) -> set[UUID]:
    if not rows:
        return set()
    return set(await _BLOCKED.all(session, name=consumer.name, streams=[row.stream for row in rows]))


async def _one_by_one(
    rows: Sequence[LoggedEvent], attempt: Callable[[LoggedEvent], Awaitable[str | None]]
) -> list[Refused]:
    """Handle each event alone; one that keeps failing is refused, and so are the later ones of its stream."""
    refused: list[Refused] = []
    blocked: set[UUID] = set()
    for row in rows:
        error = None if row.stream in blocked else await attempt(row)
        if error is not None:
            blocked.add(row.stream)
        if row.stream in blocked:
            refused.append(Refused(row, error))
    return refused


async def try_apply(session: Session, consumer: Transactional, row: LoggedEvent) -> str | None:
    """Apply one event in a savepoint, a few times; the last error's text, or None when it went well."""

    async def apply() -> None:
        async with savepoint(session):
            await consumer.apply(session, _decoded(consumer, [row]))
            # What is checked at COMMIT only would fail the whole transaction there, time and again.
            await _CHECK_NOW.run(session)
            await _CHECK_LATER.run(session)

    return await _try(consumer, row, apply)


async def try_send(runtime: Runtime, consumer: Relay, row: LoggedEvent, *, replayed: bool = False) -> str | None:
    """Send one event, with a few attempts; the last error's text, or None when it went well."""

    async def send() -> None:
        await consumer.send(runtime, [decode(consumer.kinds, row, replayed=replayed)])

    return await _try(consumer, row, send)


async def _try(consumer: Consumer, row: LoggedEvent, act: Callable[[], Awaitable[None]]) -> str | None:
    error_text = ""
    for _ in range(_TRIES):
        try:
            await act()
            return None
        except Exception as error:
            if is_transient(error):
                raise
            error_text = f"{type(error).__name__}: {error}"[:2_000]
    log.error("dead_letter", consumer=consumer.name, seq=row.seq, error=error_text)
    return error_text


async def _advance(session: Session, consumer: Consumer, seen: int, refused: Sequence[Refused]) -> None:
    """Set aside what was refused and move the cursor, which the caller holds."""
    letters = [
        _DeadLetter(
            id=new_id(),
            consumer=consumer.name,
            seq=one.row.seq,
            stream=one.row.stream,
            type=one.row.type,
            error=one.error,
            attempts=_TRIES if one.error else 0,
        )
        for one in refused
    ]
    await _BURY.run(session, letters)
    await _MOVE_CURSOR.run(session, name=consumer.name, seq=seen)


async def _relay(runtime: Runtime, consumer: Relay) -> int:
    """Send outside any transaction, then move the cursor if it still stands where the batch began."""
    async with runtime.db.transaction() as session:
        after = await _CURSOR.first(session, name=consumer.name)
        if after is None:
            return 0
        rows, seen = await _read(session, consumer, after)
        blocked = await _blocked_streams(session, consumer, rows)
    if seen == after:
        return 0
    ready, refused = _apart(rows, blocked)
    failed = await _send(runtime, consumer, ready)
    if failed is not None:
        # Nothing newer was sent, or a receiver that drops what is older would drop this one when it is sent after all.
        seen = failed.row.seq
        refused = [*(one for one in refused if one.row.seq < seen), failed]
    async with runtime.db.transaction() as session:
        stands_at = await lock_cursor(session, consumer)
        # Another worker sent the same, or a replay freed a stream for which events were held back: read again.
        if stands_at != after or await _blocked_streams(session, consumer, rows) != blocked:
            return 0
        await _advance(session, consumer, seen, refused)
    return seen - after


async def _send(runtime: Runtime, consumer: Relay, rows: Sequence[LoggedEvent]) -> Refused | None:
    """Send all at once, or one by one up to the first that fails for good, which is the answer."""
    if not rows:
        return None
    try:
        await consumer.send(runtime, _decoded(consumer, rows))
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("batch_failed", consumer=consumer.name, error=repr(error))
        for row in rows:
            text = await try_send(runtime, consumer, row)
            if text is not None:
                return Refused(row, text)
    return None
