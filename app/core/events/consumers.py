"""Readers of the log: transactional ones and relays, and one step of each."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core import db
from app.core.db import AsyncSession
from app.core.events.log import Fact, Recorded, decode
from app.core.ids import new_id
from app.core.runtime import Runtime

log = structlog.get_logger(__name__)

_BATCH = 500
_WINDOW = 10_000
"""How many numbers one statement passes over, so that a reader of a rare fact gets through a log of any length."""
_TRIES = 3

Apply = Callable[[AsyncSession, Sequence[Recorded[Any]]], Awaitable[None]]
Send = Callable[[Runtime, Sequence[Recorded[Any]]], Awaitable[None]]
Refused = tuple[asyncpg.Record, str | None]
"""An event that is to be parked with its error, or without one when it only waits behind another of its stream."""


@dataclass(frozen=True)
class Consumer:
    """One named reader. `facts` are the types it reads; its name is its cursor and must never change."""

    name: str
    facts: tuple[type[Fact], ...]
    batch: int = field(default=_BATCH, kw_only=True)

    @property
    def kinds(self) -> dict[str, type[Fact]]:
        return {fact.type_name(): fact for fact in self.facts}


@dataclass(frozen=True)
class Transactional(Consumer):
    """`apply(session, batch)` writes the effects; batch and cursor are committed together."""

    apply: Apply


@dataclass(frozen=True)
class Relay(Consumer):
    """`send(runtime, batch)` tells the outside; it must be harmless when a batch comes again.

    Batches come in the order of their numbers, save for what was parked: it is sent after later ones, alone and with
    `replayed` set.
    """

    send: Send


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


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later by itself: no connection, deadlocks, timeouts, shutdown, Redis away."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    while cause is not None and not isinstance(cause, asyncpg.PostgresError) and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, asyncpg.InterfaceError):
        # The driver uses one class for a lost connection and for a statement that we wrote wrongly.
        return "connection" in str(cause)
    return isinstance(
        cause,
        (
            asyncpg.PostgresConnectionError,
            asyncpg.DeadlockDetectedError,
            asyncpg.SerializationError,
            asyncpg.LockNotAvailableError,
            asyncpg.QueryCanceledError,
            asyncpg.OperatorInterventionError,
            asyncpg.InsufficientResourcesError,
            PoolTimeout,
            RedisError,
            OSError,
        ),
    )


async def _read(session: AsyncSession, consumer: Consumer, after: int) -> tuple[list[asyncpg.Record], int]:
    """The next rows of the consumer's types, and the number up to which everything has then been seen."""
    head = await db.fetchval(session, "SELECT coalesce(max(seq), 0) FROM event")
    if head <= after:
        return [], after
    until = min(head, after + _WINDOW)
    rows = await db.fetch(
        session,
        """SELECT seq, type, stream, payload, published_at FROM event
           WHERE seq > $1 AND seq <= $2 AND type = ANY($3) ORDER BY seq LIMIT $4""",
        after,
        until,
        list(consumer.kinds),
        consumer.batch,
    )
    return rows, (rows[-1]["seq"] if len(rows) == consumer.batch else until)


async def _lock_cursor(session: AsyncSession, name: str) -> int | None:
    seq: int | None = await db.fetchval(
        session, "SELECT seq FROM event_cursor WHERE consumer = $1 FOR UPDATE SKIP LOCKED", name
    )
    return seq


async def register(session: AsyncSession, consumers: Sequence[Consumer]) -> None:
    """Give each consumer its cursor; a new one begins at the beginning of the log."""
    for consumer in consumers:
        await db.execute(
            session,
            "INSERT INTO event_cursor (consumer, seq) VALUES ($1, 0) ON CONFLICT DO NOTHING",
            consumer.name,
        )


async def _step(session: AsyncSession, consumer: Transactional, *, one_by_one: bool) -> int:
    after = await _lock_cursor(session, consumer.name)
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


def _apart(rows: Sequence[asyncpg.Record], blocked: set[UUID]) -> tuple[list[asyncpg.Record], list[Refused]]:
    """What may be handled now, and what waits behind a parked event of its stream."""
    return [row for row in rows if row["stream"] not in blocked], [
        (row, None) for row in rows if row["stream"] in blocked
    ]


def _decoded(consumer: Consumer, rows: Sequence[asyncpg.Record]) -> list[Recorded[Fact]]:
    kinds = consumer.kinds
    return [decode(kinds, row) for row in rows]


async def _blocked_streams(session: AsyncSession, consumer: Consumer, rows: Sequence[asyncpg.Record]) -> set[UUID]:
    if not rows:
        return set()
    found = await db.fetch(
        session,
        """SELECT DISTINCT stream FROM event_parked
           WHERE consumer = $1 AND resolved_at IS NULL AND stream = ANY($2)""",
        consumer.name,
        [row["stream"] for row in rows],
    )
    return {row["stream"] for row in found}


async def _one_by_one(
    rows: Sequence[asyncpg.Record], attempt: Callable[[asyncpg.Record], Awaitable[str | None]]
) -> list[Refused]:
    """Handle each event alone; one that keeps failing is refused, and so are the later ones of its stream."""
    refused: list[Refused] = []
    blocked: set[UUID] = set()
    for row in rows:
        error = None if row["stream"] in blocked else await attempt(row)
        if error is not None:
            blocked.add(row["stream"])
        if row["stream"] in blocked:
            refused.append((row, error))
    return refused


async def try_apply(session: AsyncSession, consumer: Transactional, row: asyncpg.Record) -> str | None:
    """Apply one event in a savepoint, a few times; the last error's text, or None when it went well."""

    async def apply() -> None:
        async with db.savepoint(session):
            await consumer.apply(session, _decoded(consumer, [row]))
            # What is checked at COMMIT only would fail the whole transaction there, time and again.
            await db.execute(session, "SET CONSTRAINTS ALL IMMEDIATE")
            await db.execute(session, "SET CONSTRAINTS ALL DEFERRED")

    return await _try(consumer, row, apply)


async def try_send(runtime: Runtime, consumer: Relay, row: asyncpg.Record, *, replayed: bool = False) -> str | None:
    """Send one event, with a few attempts; the last error's text, or None when it went well."""

    async def send() -> None:
        await consumer.send(runtime, [decode(consumer.kinds, row, replayed=replayed)])

    return await _try(consumer, row, send)


async def _try(consumer: Consumer, row: asyncpg.Record, act: Callable[[], Awaitable[None]]) -> str | None:
    error_text = ""
    for _ in range(_TRIES):
        try:
            await act()
            return None
        except Exception as error:
            if is_transient(error):
                raise
            error_text = f"{type(error).__name__}: {error}"[:2_000]
    log.error("event_parked", consumer=consumer.name, seq=row["seq"], error=error_text)
    return error_text


async def _advance(session: AsyncSession, consumer: Consumer, seen: int, refused: Sequence[Refused]) -> None:
    """Park what was refused and move the cursor, which the caller holds."""
    for row, error in refused:
        await db.execute(
            session,
            """INSERT INTO event_parked (id, consumer, seq, stream, type, error, attempts)
               VALUES ($1, $2, $3, $4, $5, $6, $7)""",
            new_id(),
            consumer.name,
            row["seq"],
            row["stream"],
            row["type"],
            error,
            _TRIES if error else 0,
        )
    await db.execute(
        session,
        "UPDATE event_cursor SET seq = $2, moved_at = clock_timestamp() WHERE consumer = $1",
        consumer.name,
        seen,
    )


async def _relay(runtime: Runtime, consumer: Relay) -> int:
    """Send outside any transaction, then move the cursor if it still stands where the batch began."""
    async with runtime.db.transaction() as session:
        after: int | None = await db.fetchval(
            session, "SELECT seq FROM event_cursor WHERE consumer = $1", consumer.name
        )
        if after is None:
            return 0
        rows, seen = await _read(session, consumer, after)
        blocked = await _blocked_streams(session, consumer, rows)
    if seen == after:
        return 0
    ready, refused = _apart(rows, blocked)
    refused += await _send(runtime, consumer, ready)
    async with runtime.db.transaction() as session:
        stands_at = await db.fetchval(
            session, "SELECT seq FROM event_cursor WHERE consumer = $1 FOR UPDATE", consumer.name
        )
        # Another worker sent the same, or a replay freed a stream for which events were held back: read again.
        if stands_at != after or await _blocked_streams(session, consumer, rows) != blocked:
            return 0
        await _advance(session, consumer, seen, refused)
    return seen - after


async def _send(runtime: Runtime, consumer: Relay, rows: Sequence[asyncpg.Record]) -> list[Refused]:
    """Send all at once, or one by one when that fails for good; what could not be sent."""
    if not rows:
        return []
    try:
        await consumer.send(runtime, _decoded(consumer, rows))
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("batch_failed", consumer=consumer.name, error=repr(error))
        return await _one_by_one(rows, partial(try_send, runtime, consumer))
    return []
