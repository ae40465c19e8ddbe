"""Readers of the log: transactional ones and relays, and one step of each."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from app.core import db
from app.core.db import AsyncSession
from app.core.events.log import Fact, Recorded, decode
from app.core.ids import new_id
from app.core.runtime import Runtime

log = structlog.get_logger(__name__)

_BATCH = 500
_TRIES = 3

Apply = Callable[[AsyncSession, Sequence[Recorded[Any]]], Awaitable[None]]
Send = Callable[[Runtime, Sequence[Recorded[Any]]], Awaitable[None]]


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
    """`send(runtime, batch)` tells the outside; it must be harmless when a batch comes again."""

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
    """Whether the same work may succeed later by itself: lost connections, deadlocks, timeouts, shutdown."""
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
            ConnectionError,
            TimeoutError,
        ),
    )


async def _read(session: AsyncSession, consumer: Consumer, after: int) -> tuple[list[asyncpg.Record], int]:
    """The next rows of the consumer's types, and the number up to which everything has then been seen."""
    head = await db.fetchval(session, "SELECT coalesce(max(seq), 0) FROM event")
    if head <= after:
        return [], after
    rows = await db.fetch(
        session,
        """SELECT seq, type, stream, payload, published_at FROM event
           WHERE seq > $1 AND seq <= $2 AND type = ANY($3) ORDER BY seq LIMIT $4""",
        after,
        head,
        list(consumer.kinds),
        consumer.batch,
    )
    return rows, (rows[-1]["seq"] if len(rows) == consumer.batch else head)


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
    waiting = [row for row in rows if row["stream"] in blocked]
    ready = [row for row in rows if row["stream"] not in blocked]
    for row in waiting:
        await park(session, consumer.name, row, error=None)
    if one_by_one:
        await _apply_each(session, consumer, ready)
    elif ready:
        kinds = consumer.kinds
        await consumer.apply(session, [decode(kinds, row) for row in ready])
    await _move(session, consumer.name, seen)
    return seen - after


async def _blocked_streams(session: AsyncSession, consumer: Consumer, rows: Sequence[asyncpg.Record]) -> set[Any]:
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


async def _apply_each(session: AsyncSession, consumer: Transactional, rows: Sequence[asyncpg.Record]) -> None:
    """Event by event, each in a savepoint; one that keeps failing is parked and its stream waits behind it."""
    blocked: set[Any] = set()
    for row in rows:
        if row["stream"] in blocked:
            await park(session, consumer.name, row, error=None)
            continue
        error = await try_apply(session, consumer, row)
        if error is not None:
            blocked.add(row["stream"])
            await park(session, consumer.name, row, error=error)


async def try_apply(session: AsyncSession, consumer: Transactional, row: asyncpg.Record) -> str | None:
    """Apply one event in a savepoint, a few times; the last error's text, or None when it went well."""
    error_text = ""
    for _ in range(_TRIES):
        try:
            async with db.savepoint(session):
                await consumer.apply(session, [decode(consumer.kinds, row)])
                # What is checked at COMMIT only would fail the whole transaction there, time and again.
                await db.execute(session, "SET CONSTRAINTS ALL IMMEDIATE")
                await db.execute(session, "SET CONSTRAINTS ALL DEFERRED")
            return None
        except Exception as error:
            if is_transient(error):
                raise
            error_text = f"{type(error).__name__}: {error}"[:2_000]
    log.error("event_parked", consumer=consumer.name, seq=row["seq"], error=error_text)
    return error_text


async def park(session: AsyncSession, consumer: str, row: asyncpg.Record, *, error: str | None) -> None:
    await db.execute(
        session,
        """INSERT INTO event_parked (id, consumer, seq, stream, type, error, attempts)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        new_id(),
        consumer,
        row["seq"],
        row["stream"],
        row["type"],
        error,
        _TRIES if error else 0,
    )


async def _move(session: AsyncSession, name: str, seq: int) -> None:
    await db.execute(
        session, "UPDATE event_cursor SET seq = $2, moved_at = clock_timestamp() WHERE consumer = $1", name, seq
    )


async def _relay(runtime: Runtime, consumer: Relay) -> int:
    async with runtime.db.transaction() as session:
        after = await db.fetchval(session, "SELECT seq FROM event_cursor WHERE consumer = $1", consumer.name)
        if after is None:
            return 0
        rows, seen = await _read(session, consumer, after)
    if seen == after:
        return 0
    if rows:
        kinds = consumer.kinds
        await consumer.send(runtime, [decode(kinds, row) for row in rows])
    async with runtime.db.transaction() as session:
        moved = await db.execute(
            session,
            "UPDATE event_cursor SET seq = $2, moved_at = clock_timestamp() WHERE consumer = $1 AND seq = $3",
            consumer.name,
            seen,
            after,
        )
    return seen - after if moved else 0
