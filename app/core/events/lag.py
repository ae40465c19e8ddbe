"""How far readers are behind: for metrics, for operators, and for whoever waits until everything has been told."""

from app.core import db
from app.core.db import AsyncSession


async def lag(session: AsyncSession) -> dict[str, int]:
    """Events that each reader has not seen; `sequencer` counts facts that are not numbered yet."""
    rows = await db.fetch(
        session,
        """SELECT consumer, CASE WHEN consumer = 'sequencer' THEN (SELECT count(*) FROM event_inbox)
                                 ELSE (SELECT coalesce(max(seq), 0) FROM event) - seq END AS behind
           FROM event_cursor""",
    )
    return {row["consumer"]: row["behind"] for row in rows}


async def parked_count(session: AsyncSession) -> dict[str, int]:
    """Open parked events by consumer."""
    rows = await db.fetch(
        session,
        "SELECT consumer, count(*) AS open FROM event_parked WHERE resolved_at IS NULL GROUP BY consumer",
    )
    return {row["consumer"]: row["open"] for row in rows}
