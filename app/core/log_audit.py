"""Invariants of the event log: nothing that was published waits for ever."""

from collections.abc import Awaitable, Callable, Sequence

from app.core.audits import breaches_of, checks
from app.core.db import Session

_CHECKS = checks(
    {
        "event {id} of type {type} waits for its number since {since}": """
            SELECT id, type, published_at AS since FROM event_outbox
            WHERE published_at < statement_timestamp() - interval '1 hour'""",
        "event {was} has a number, the sequencer has given {due}": """
            SELECT e.seq AS was, s.seq AS due FROM event_cursor s JOIN event e ON e.seq > s.seq
            WHERE s.consumer = 'sequencer'""",
        "consumer {consumer} has read up to {was}, the sequencer has given {due} numbers": """
            SELECT c.consumer, c.seq AS was, s.seq AS due FROM event_cursor c
            JOIN event_cursor s ON s.consumer = 'sequencer' AND c.seq > s.seq""",
        # A new consumer, and one that was behind, has days of events before it and reads them: its cursor moves.
        "consumer {consumer} stands still at {was}, event {due} is a day old": """
            SELECT k.consumer, coalesce(c.seq, 0) AS was, next.seq AS due FROM unnest(:consumers::text[]) AS k(consumer)
            LEFT JOIN event_cursor c ON c.consumer = k.consumer
            JOIN event next ON next.seq = coalesce(c.seq, 0) + 1
            WHERE next.published_at < statement_timestamp() - interval '1 day'
              AND coalesce(c.moved_at, '-infinity') < statement_timestamp() - interval '1 hour'""",
        "dead letter {id} of {consumer} is open for a week": """
            SELECT id, consumer FROM event_dead_letter
            WHERE resolved_at IS NULL AND created_at < statement_timestamp() - interval '7 days'""",
    }
)


def log_audit(consumers: Sequence[str]) -> Callable[[Session], Awaitable[list[str]]]:
    """The audit of the log and its readers of these names: events get their numbers, every consumer follows the log and
    none is ahead of it, and no dead letter is forgotten."""

    async def audit(session: Session) -> list[str]:
        return await breaches_of(session, _CHECKS, consumers=consumers)

    return audit
