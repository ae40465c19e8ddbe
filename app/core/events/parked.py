"""Events that a consumer could not apply or send: seen, and tried again once the cause is mended."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.events.consumers import Consumer, Relay, Transactional, try_apply, try_send
from app.core.ids import ParkedId
from app.core.runtime import Runtime


class ParkedView(BaseModel):
    """A parked event. `error` is null when it only waits behind an earlier one of its stream."""

    id: ParkedId
    consumer: str
    seq: int
    type: str
    stream: UUID
    error: str | None
    attempts: int
    parked_at: datetime


async def list_parked(session: AsyncSession, *, after: UUID | None, limit: int) -> list[ParkedView]:
    """Open parked events, oldest first."""
    rows = await db.fetch(
        session,
        """SELECT id, consumer, seq, type, stream, error, attempts, parked_at FROM event_parked
           WHERE resolved_at IS NULL AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2""",
        after,
        limit,
    )
    return [ParkedView(**dict(row)) for row in rows]


async def replay(runtime: Runtime, consumers: Sequence[Consumer], parked_id: UUID) -> int:
    """Apply or send the parked event and all that wait behind it in its stream, in order; how many were healed.

    No new event of the stream overtakes. Stops at the first that fails again (its error and attempts are updated).
    Raises NotFound when there is no such open event.
    """
    async with runtime.db.transaction() as session:
        parked = await db.fetchrow(
            session, "SELECT consumer, stream FROM event_parked WHERE id = $1 AND resolved_at IS NULL", parked_id
        )
        consumer = next((c for c in consumers if parked is not None and c.name == parked["consumer"]), None)
        if parked is None or consumer is None:
            raise NotFound
        if isinstance(consumer, Transactional):
            return await _apply_again(session, consumer, parked["stream"])
    assert isinstance(consumer, Relay)
    return await _send_again(runtime, consumer, parked["stream"])


async def _apply_again(session: AsyncSession, consumer: Transactional, stream: UUID) -> int:
    await _hold_cursor(session, consumer)
    healed = 0
    while (row := await _first_open(session, consumer, stream)) is not None:
        error = await try_apply(session, consumer, row)
        await _note(session, row, error)
        if error is not None:
            break
        healed += 1
    return healed


async def _send_again(runtime: Runtime, consumer: Relay, stream: UUID) -> int:
    """Each event is noted under the cursor, so that a relay which still holds the stream back learns of it."""
    healed = 0
    while True:
        async with runtime.db.transaction() as session:
            row = await _first_open(session, consumer, stream)
        if row is None:
            return healed
        error = await try_send(runtime, consumer, row, replayed=True)
        async with runtime.db.transaction() as session:
            await _hold_cursor(session, consumer)
            await _note(session, row, error)
        if error is not None:
            return healed
        healed += 1


async def _hold_cursor(session: AsyncSession, consumer: Consumer) -> None:
    await db.execute(session, "SELECT 1 FROM event_cursor WHERE consumer = $1 FOR UPDATE", consumer.name)


async def _first_open(session: AsyncSession, consumer: Consumer, stream: UUID) -> asyncpg.Record | None:
    return await db.fetchrow(
        session,
        """SELECT p.id AS parked_id, e.seq, e.type, e.stream, e.payload, e.published_at
           FROM event_parked p JOIN event e USING (seq)
           WHERE p.consumer = $1 AND p.stream = $2 AND p.resolved_at IS NULL ORDER BY p.seq LIMIT 1""",
        consumer.name,
        stream,
    )


async def _note(session: AsyncSession, row: asyncpg.Record, error: str | None) -> None:
    await db.execute(
        session,
        """UPDATE event_parked SET attempts = attempts + 1, error = coalesce($2, error),
                  resolved_at = CASE WHEN $2::text IS NULL THEN clock_timestamp() END
           WHERE id = $1 AND resolved_at IS NULL""",
        row["parked_id"],
        error,
    )


async def sweep(session: AsyncSession) -> int:
    """Forget events that were healed a month ago, at most 5,000 at a time; open ones stay."""
    return await db.execute(
        session,
        """DELETE FROM event_parked WHERE id IN (
               SELECT id FROM event_parked WHERE resolved_at < clock_timestamp() - interval '30 days' LIMIT 5000)""",
    )
