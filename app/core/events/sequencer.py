"""Numbering: finished rows of the inbox become events, one sequencer at a time, without gaps."""

from app.core import db
from app.core.db import AsyncSession

NUMBERED_CHANNEL = "siyu_events"
_BATCH = 5_000

_MOVE = f"""
WITH moved AS (
    DELETE FROM event_inbox
    WHERE id IN (SELECT id FROM event_inbox ORDER BY id LIMIT {_BATCH})
    RETURNING id, type, stream, payload, published_at
), numbered AS (
    INSERT INTO event (seq, type, stream, payload, published_at)
    SELECT $1 + row_number() OVER (ORDER BY id), type, stream, payload, published_at FROM moved
    RETURNING seq
)
SELECT count(*) FROM numbered
"""  # noqa: S608  the only value formatted in is our own constant


async def sequence_once(session: AsyncSession) -> int:
    """Number what has been committed so far; how many events that made (0 when another worker is at it).

    The lock on the cursor row is taken by a statement of its own, so that the moving statement's snapshot begins after
    the previous sequencer's commit. Rows of a stream become visible in the order of their ids, because the publisher
    held the subject's row, so a later snapshot never finds an earlier row of a stream.
    """
    if not await db.fetchval(session, "SELECT EXISTS (SELECT FROM event_inbox)"):
        return 0  # an idle system asks fifty times a second, and a row lock is a write
    last = await db.fetchval(
        session, "SELECT seq FROM event_cursor WHERE consumer = 'sequencer' FOR UPDATE SKIP LOCKED"
    )
    if last is None:
        return 0
    moved = int(await db.fetchval(session, _MOVE, last))
    if moved:
        await db.execute(
            session,
            "UPDATE event_cursor SET seq = $1, moved_at = clock_timestamp() WHERE consumer = 'sequencer'",
            last + moved,
        )
        await db.execute(session, f"NOTIFY {NUMBERED_CHANNEL}")
    return moved
