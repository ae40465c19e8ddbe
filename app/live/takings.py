"""What a room brought: orders and refunds credited to it, tips, and what its gateways counted."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from uuid import UUID

import msgspec

from app.core.auth import Actor
from app.core.db import BulkInsert, Session, Statement
from app.live.models import LiveTaking, LiveTally
from app.live.presence import Counts
from app.live.records import find_in_scope
from app.live.schemas import RoomReport

CONSUMER = "live.takings"


class TakingKind(StrEnum):
    """What brought an amount to a room."""

    ORDER = "order"
    REFUND = "refund"
    TIP = "tip"
    TIP_REFUND = "tip_refund"


class Taking(msgspec.Struct, frozen=True):
    """A row of `live_taking`. `source_id` is the order's, tip's or refund's; a refund's amount is below 0."""

    room_id: UUID
    kind: TakingKind
    source_id: UUID
    amount_fen: int


class _Tally(msgspec.Struct, frozen=True):
    room_id: UUID
    peak_viewers: int
    likes: int
    chats: int


class _Brought(msgspec.Struct, frozen=True):
    orders: int
    paid_fen: int
    refunded_fen: int
    tips: int
    tips_fen: int
    tips_refunded_fen: int
    tips_host_fen: int
    tips_store_fen: int
    viewers_unique: int
    viewers_peak: int
    likes: int
    chats: int


_WRITE = BulkInsert(LiveTaking, Taking)
# Numbers that fell, because Redis was emptied, are left as they were.
_KEEP = BulkInsert(
    LiveTally,
    _Tally,
    conflict="""
        ON CONFLICT (room_id) DO UPDATE SET
            peak_viewers = greatest(live_tally.peak_viewers, excluded.peak_viewers),
            likes = greatest(live_tally.likes, excluded.likes), chats = greatest(live_tally.chats, excluded.chats)
        WHERE (excluded.peak_viewers, excluded.likes, excluded.chats)
              <> (live_tally.peak_viewers, live_tally.likes, live_tally.chats)""",
)
_COUNTED = Statement(
    """SELECT id FROM live_room WHERE status <> 'ended'
       UNION ALL SELECT id FROM live_room WHERE ended_at > statement_timestamp() - interval '1 hour'
       ORDER BY id DESC LIMIT :limit""",
    UUID,
    custom_plan=True,
)
_BROUGHT = Statement(
    """WITH counted AS (SELECT peak_viewers, likes, chats FROM live_tally WHERE room_id = :room_id),
       divided AS (SELECT coalesce(sum(host_fen), 0)::bigint AS host_fen, coalesce(sum(store_fen), 0)::bigint AS store_fen
                   FROM live_tip WHERE room_id = :room_id AND status = 'paid')
       SELECT count(*) FILTER (WHERE kind = 'order') AS orders,
              coalesce(sum(amount_fen) FILTER (WHERE kind = 'order'), 0)::bigint AS paid_fen,
              -coalesce(sum(amount_fen) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunded_fen,
              count(*) FILTER (WHERE kind = 'tip') AS tips,
              coalesce(sum(amount_fen) FILTER (WHERE kind = 'tip'), 0)::bigint AS tips_fen,
              -coalesce(sum(amount_fen) FILTER (WHERE kind = 'tip_refund'), 0)::bigint AS tips_refunded_fen,
              (SELECT host_fen FROM divided) AS tips_host_fen, (SELECT store_fen FROM divided) AS tips_store_fen,
              (SELECT count(*) FROM live_visit WHERE room_id = :room_id) AS viewers_unique,
              coalesce((SELECT peak_viewers FROM counted), 0) AS viewers_peak,
              coalesce((SELECT likes FROM counted), 0) AS likes, coalesce((SELECT chats FROM counted), 0) AS chats
       FROM live_taking WHERE room_id = :room_id""",
    _Brought,
)


async def write(session: Session, takings: Sequence[Taking]) -> None:
    """Record takings. Raises asyncpg's UniqueViolationError for one that was recorded before."""
    await _WRITE.run(session, takings)


async def counted_rooms(session: Session, *, limit: int) -> list[UUID]:
    """Rooms whose counts may still change."""
    return await _COUNTED.all(session, limit=limit)


async def keep_counts(session: Session, counts: Mapping[UUID, Counts]) -> None:
    """Keep what was counted in rooms; numbers only grow."""
    rows = [
        _Tally(room_id, counted.peak_viewers, counted.likes, counted.chats)
        for room_id, counted in sorted(counts.items())
    ]
    await _KEEP.run(session, rows)


async def report(session: Session, actor: Actor, room_id: UUID, *, viewers: int) -> RoomReport:
    """The report of a room within the staff member's scope, with the counts kept so far. Raises NotFound."""
    room = await find_in_scope(session, actor, room_id)
    brought = await _BROUGHT.one(session, room_id=room_id)
    return RoomReport(
        room=room_id,
        status=room.status,
        viewers=viewers,
        started_at=room.started_at,
        ended_at=room.ended_at,
        **msgspec.structs.asdict(brought),
    )
