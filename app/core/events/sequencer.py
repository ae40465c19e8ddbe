"""Numbering: finished rows of the outbox become events, one sequencer at a time, without gaps."""

from app.core.db import Session, Statement

NUMBERED_CHANNEL = "siyu_events"
_BATCH = 5_000

_WAITING = Statement("SELECT EXISTS (SELECT FROM event_outbox)", bool)
_LAST = Statement("SELECT seq FROM event_cursor WHERE consumer = 'sequencer' FOR UPDATE SKIP LOCKED", int)
_MOVE = Statement(
    f"""WITH moved AS (
            DELETE FROM event_outbox
            WHERE id IN (SELECT id FROM event_outbox ORDER BY id LIMIT {_BATCH})
            RETURNING id, type, stream, payload, published_at
        ), numbered AS (
            INSERT INTO event (seq, type, stream, payload, published_at)
            SELECT :last + row_number() OVER (ORDER BY id), type, stream, payload, published_at FROM moved
            RETURNING seq, type
        ), cursor AS (
            UPDATE event_cursor SET seq = seq + (SELECT count(*) FROM numbered), moved_at = clock_timestamp()
            WHERE consumer = 'sequencer' AND EXISTS (SELECT FROM numbered)
        )
        SELECT count(*) AS moved, pg_notify('{NUMBERED_CHANNEL}', string_agg(DISTINCT type, ' ')) AS told
        FROM numbered HAVING count(*) > 0""",
    int,
)


async def is_anything_waiting(session: Session) -> bool:
    """Whether the outbox holds something that was committed: an idle system asks time and again."""
    return await _WAITING.one(session)


async def sequence_once(session: Session) -> int:
    """Number what has been committed so far; how many events that made (0 when another worker is at it).

    The notification names the types, so that only their readers wake. The lock on the cursor row is taken by a statement
    of its own, so that the moving statement's snapshot begins after the previous sequencer's commit. Rows of a stream
    become visible in the order of their ids, because the publisher held the subject's row, so a later snapshot never
    finds an earlier row of a stream.
    """
    last = await _LAST.first(session)
    return 0 if last is None else await _MOVE.first(session, last=last) or 0
