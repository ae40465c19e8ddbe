"""Invariants of the event log: nothing that was published waits for ever."""

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
        "consumer {consumer} has read up to {was}, event {due} is a day old": """
            SELECT c.consumer, c.seq AS was, next.seq AS due FROM event_cursor c
            JOIN event next ON next.seq = c.seq + 1
            WHERE c.consumer <> 'sequencer' AND next.published_at < statement_timestamp() - interval '1 day'""",
        "dead letter {id} of {consumer} is open for a week": """
            SELECT id, consumer FROM event_dead_letter
            WHERE resolved_at IS NULL AND created_at < statement_timestamp() - interval '7 days'""",
    }
)


async def audit(session: Session) -> list[str]:
    """Events get their numbers, every consumer is within a day of the log and none ahead of it, and no dead letter is
    forgotten."""
    return await breaches_of(session, _CHECKS)
