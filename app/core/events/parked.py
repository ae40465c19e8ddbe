"""Events that a consumer could not apply: seen, and applied again once the cause is mended."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import BaseModel

from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.events.consumers import Consumer, Transactional, try_apply
from app.core.ids import ParkedId


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


async def replay(session: AsyncSession, consumers: Sequence[Consumer], parked_id: UUID) -> int:
    """Apply the parked event and all that wait behind it in its stream, in order; how many were healed.

    Holds the consumer's cursor, so that no new event of the stream overtakes. Stops at the first that fails again
    (its error and attempts are updated). Raises NotFound when there is no such open event.
    """
    parked = await db.fetchrow(
        session, "SELECT consumer, stream FROM event_parked WHERE id = $1 AND resolved_at IS NULL", parked_id
    )
    consumer = next((c for c in consumers if parked is not None and c.name == parked["consumer"]), None)
    if parked is None or not isinstance(consumer, Transactional):
        raise NotFound
    await db.execute(session, "SELECT 1 FROM event_cursor WHERE consumer = $1 FOR UPDATE", consumer.name)
    rows = await db.fetch(
        session,
        """SELECT p.id AS parked_id, e.seq, e.type, e.stream, e.payload, e.published_at
           FROM event_parked p JOIN event e USING (seq)
           WHERE p.consumer = $1 AND p.stream = $2 AND p.resolved_at IS NULL ORDER BY p.seq""",
        consumer.name,
        parked["stream"],
    )
    healed = 0
    for row in rows:
        if not await _heal(session, consumer, row):
            break
        healed += 1
    return healed


async def _heal(session: AsyncSession, consumer: Transactional, row: asyncpg.Record) -> bool:
    error: Any = await try_apply(session, consumer, row)
    if error is None:
        await db.execute(
            session,
            "UPDATE event_parked SET resolved_at = clock_timestamp(), attempts = attempts + 1 WHERE id = $1",
            row["parked_id"],
        )
        return True
    await db.execute(
        session,
        "UPDATE event_parked SET error = $2, attempts = attempts + 1 WHERE id = $1",
        row["parked_id"],
        error,
    )
    return False


async def sweep(session: AsyncSession) -> int:
    """Forget events that were healed a month ago, at most 5,000 at a time; open ones stay."""
    return await db.execute(
        session,
        """DELETE FROM event_parked WHERE id IN (
               SELECT id FROM event_parked WHERE resolved_at < clock_timestamp() - interval '30 days' LIMIT 5000)""",
    )
