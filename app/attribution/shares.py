"""What a distributor's links brought."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.core import db
from app.core.db import AsyncSession


@dataclass(frozen=True, slots=True)
class ShareStat:
    """One link: how often it was opened and by how many whom the server had never seen come by any link."""

    id: UUID
    product_id: UUID | None
    room_id: UUID | None
    visits: int
    new_visitors: int
    made_at: datetime


async def shares_of(session: AsyncSession, distributor_id: UUID, *, after: UUID | None, limit: int) -> list[ShareStat]:
    """Links credited to a distributor, newest first; `after` is the last id of the page before."""
    rows = await db.fetch(
        session,
        """SELECT p.id, p.product_id, p.room_id, p.made_at, count(t.id) AS visits,
                  count(t.id) FILTER (WHERE t.first) AS new_visitors
           FROM attribution_touchpoint p LEFT JOIN attribution_touch t ON t.touchpoint_id = p.id
           WHERE p.distributor_id = $1 AND ($2::uuid IS NULL OR p.id < $2)
           GROUP BY p.id ORDER BY p.id DESC LIMIT $3""",
        distributor_id,
        after,
        limit,
    )
    return [ShareStat(**dict(row)) for row in rows]
