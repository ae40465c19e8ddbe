"""How far readers are behind: for metrics, for operators, and for whoever waits until everything has been told."""

import msgspec

from app.core.db import Session, Statement


class _Count(msgspec.Struct, frozen=True):
    consumer: str
    events: int


_LAG = Statement(
    """SELECT consumer, CASE WHEN consumer = 'sequencer' THEN (SELECT count(*) FROM event_outbox)
                             ELSE (SELECT coalesce(max(seq), 0) FROM event) - seq END AS events
       FROM event_cursor""",
    _Count,
)
_DEAD_LETTERS = Statement(
    "SELECT consumer, count(*) AS events FROM event_dead_letter WHERE resolved_at IS NULL GROUP BY consumer", _Count
)


async def lag(session: Session) -> dict[str, int]:
    """Events that each reader has not seen; `sequencer` counts events that are not numbered yet."""
    return {row.consumer: row.events for row in await _LAG.all(session)}


async def dead_letter_count(session: Session) -> dict[str, int]:
    """Open dead letters by consumer."""
    return {row.consumer: row.events for row in await _DEAD_LETTERS.all(session)}
