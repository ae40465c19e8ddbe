"""Events that a consumer could not apply or send: seen, and tried again once the cause is mended."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.db import Listing, Session, Statement
from app.core.errors import NotFound
from app.core.events.consumers import Consumer, Relay, Transactional, lock_cursor, try_apply, try_send
from app.core.events.log import LoggedEvent
from app.core.ids import DeadLetterId
from app.core.paging import Page, Paging
from app.core.runtime import Runtime
from app.core.schemas import At, View


class DeadLetterView(View):
    """An event that a consumer could not apply or send. `error` is null when it only waits behind an earlier one of its
    stream."""

    id: DeadLetterId
    consumer: str
    seq: int
    type: str
    stream: UUID
    error: str | None
    attempts: int
    created_at: At


class _Open(msgspec.Struct, frozen=True):
    consumer: str
    stream: UUID


class _Letter(msgspec.Struct, frozen=True):
    id: UUID
    seq: int
    type: str
    stream: UUID
    payload: str
    published_at: datetime

    @property
    def event(self) -> LoggedEvent:
        return LoggedEvent(self.seq, self.type, self.stream, self.payload, self.published_at)


_LIST = Listing(
    """SELECT id, consumer, seq, type, stream, error, attempts, created_at FROM event_dead_letter
       WHERE resolved_at IS NULL AND {filters} ORDER BY id LIMIT :limit""",
    DeadLetterView,
    filters={"after": "id > :after"},
)
_FIND = Statement("SELECT consumer, stream FROM event_dead_letter WHERE id = :letter_id AND resolved_at IS NULL", _Open)
_FIRST_OPEN = Statement(
    """SELECT d.id, e.seq, e.type, e.stream, e.payload::text AS payload, e.published_at
       FROM event_dead_letter d JOIN event e USING (seq)
       WHERE d.consumer = :consumer AND d.stream = :stream AND d.resolved_at IS NULL ORDER BY d.seq LIMIT 1""",
    _Letter,
)
_NOTE = Statement(
    """UPDATE event_dead_letter SET attempts = attempts + 1, error = coalesce(:error, error),
              resolved_at = CASE WHEN :error::text IS NULL THEN clock_timestamp() END
       WHERE id = :letter_id AND resolved_at IS NULL"""
)
_FORGET = Statement(
    """DELETE FROM event_dead_letter WHERE id IN (
           SELECT id FROM event_dead_letter WHERE resolved_at < statement_timestamp() - interval '30 days' LIMIT 5000)"""
)


async def list_dead_letters(session: Session, paging: Paging) -> Page[DeadLetterView]:
    """Open ones, oldest first."""
    return await paging.read(session, DeadLetterId, _LIST)


async def replay(runtime: Runtime, consumers: Sequence[Consumer], letter_id: UUID) -> int:
    """Apply or send the dead letter and all that wait behind it in its stream, in order; how many were resolved.

    No new event of the stream overtakes. Stops at the first that fails again (its error and attempts are updated).
    Raises NotFound when there is no such open one.
    """
    async with runtime.db.transaction() as session:
        found = await _FIND.first(session, letter_id=letter_id)
        consumer = next((c for c in consumers if found is not None and c.name == found.consumer), None)
        if found is None or consumer is None:
            raise NotFound
        if isinstance(consumer, Transactional):
            return await _apply_again(session, consumer, found.stream)
    assert isinstance(consumer, Relay)
    return await _send_again(runtime, consumer, found.stream)


async def _apply_again(session: Session, consumer: Transactional, stream: UUID) -> int:
    await lock_cursor(session, consumer)
    resolved = 0
    while (letter := await _FIRST_OPEN.first(session, consumer=consumer.name, stream=stream)) is not None:
        error = await try_apply(session, consumer, letter.event)
        await _NOTE.run(session, letter_id=letter.id, error=error)
        if error is not None:
            break
        resolved += 1
    return resolved


async def _send_again(runtime: Runtime, consumer: Relay, stream: UUID) -> int:
    """Each event is noted under the cursor, so that a relay which still holds the stream back learns of it."""
    resolved = 0
    while True:
        async with runtime.db.transaction() as session:
            letter = await _FIRST_OPEN.first(session, consumer=consumer.name, stream=stream)
        if letter is None:
            return resolved
        error = await try_send(runtime, consumer, letter.event, replayed=True)
        async with runtime.db.transaction() as session:
            await lock_cursor(session, consumer)
            await _NOTE.run(session, letter_id=letter.id, error=error)
        if error is not None:
            return resolved
        resolved += 1


async def sweep(session: Session) -> int:
    """Forget events that were resolved a month ago, at most 5,000 at a time; open ones stay."""
    return await _FORGET.run(session)
