"""What a room brought: orders and refunds credited to it, tips, and the counts of its gateways."""

from collections.abc import Sequence
from uuid import UUID

from app.core import db
from app.core.db import AsyncSession
from app.live import rooms
from app.live.schemas import RoomReport, RoomStatus
from app.live.stream import Counts

Taking = tuple[UUID, str, UUID, int]
"""Room, kind (order, refund or tip), the order's, refund's or tip's id, and the amount (a refund's below 0)."""


async def write(session: AsyncSession, rows: Sequence[Taking]) -> None:
    """Write takings down, once each: the primary key refuses a second time."""
    await db.executemany(
        session, "INSERT INTO live_taking (room_id, kind, source_id, amount_fen) VALUES ($1, $2, $3, $4)", rows
    )


async def counted_rooms(session: AsyncSession, *, limit: int) -> list[UUID]:
    """Rooms whose counts may still change."""
    rows = await db.fetch(
        session,
        """SELECT id FROM live_room WHERE status <> 'ended'
           UNION ALL SELECT id FROM live_room WHERE ended_at > statement_timestamp() - interval '1 hour'
           ORDER BY id DESC LIMIT $1""",
        limit,
    )
    return [row["id"] for row in rows]


async def keep_counts(session: AsyncSession, room_id: UUID, counts: Counts) -> None:
    """Keep what was counted; numbers that fell (Redis was emptied) are left as they were."""
    await db.execute(
        session,
        """INSERT INTO live_tally (room_id, peak_viewers, likes, chats) VALUES ($1, $2, $3, $4)
           ON CONFLICT (room_id) DO UPDATE SET
               peak_viewers = greatest(live_tally.peak_viewers, excluded.peak_viewers),
               likes = greatest(live_tally.likes, excluded.likes), chats = greatest(live_tally.chats, excluded.chats)
           WHERE (excluded.peak_viewers, excluded.likes, excluded.chats)
                 <> (live_tally.peak_viewers, live_tally.likes, live_tally.chats)""",
        room_id,
        counts.peak_viewers,
        counts.likes,
        counts.chats,
    )


async def report(session: AsyncSession, room_id: UUID, *, viewers: int) -> RoomReport:
    """The room's report with the counts kept so far. Raises NotFound."""
    room = await rooms.find(session, room_id)
    row = await db.fetchrow(
        session,
        """SELECT count(*) FILTER (WHERE kind = 'order') AS orders,
                  coalesce(sum(amount_fen) FILTER (WHERE kind = 'order'), 0)::bigint AS paid_fen,
                  -coalesce(sum(amount_fen) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunded_fen,
                  count(*) FILTER (WHERE kind = 'tip') AS tips,
                  coalesce(sum(amount_fen) FILTER (WHERE kind = 'tip'), 0)::bigint AS tips_fen,
                  (SELECT count(*) FROM live_visit WHERE room_id = $1) AS viewers_unique
           FROM live_taking WHERE room_id = $1""",
        room_id,
    )
    counted = await db.fetchrow(
        session, "SELECT peak_viewers, likes, chats FROM live_tally WHERE room_id = $1", room_id
    )
    assert row is not None
    return RoomReport(
        room=room_id,
        status=RoomStatus(room["status"]),
        viewers=viewers,
        viewers_peak=counted["peak_viewers"] if counted else 0,
        likes=counted["likes"] if counted else 0,
        chats=counted["chats"] if counted else 0,
        started_at=room["started_at"],
        ended_at=room["ended_at"],
        **dict(row),
    )
