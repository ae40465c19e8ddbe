"""What a distributor's links brought."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.db import Listing, Session
from app.core.ids import TouchpointId
from app.core.paging import Paging, Rows


class ShareStat(msgspec.Struct, frozen=True, kw_only=True):
    """A link: how often it was opened, and by how many whom the server had not seen come by any link before."""

    id: UUID
    product_id: UUID | None
    room_id: UUID | None
    visits: int
    new_visitors: int
    created_at: datetime


_SHARES = Listing(
    """SELECT p.id, p.product_id, p.room_id, p.created_at,
              (SELECT count(*) FROM attribution_touch t WHERE t.touchpoint_id = p.id) AS visits,
              (SELECT count(*) FROM attribution_touch t WHERE t.touchpoint_id = p.id AND t.first) AS new_visitors
       FROM attribution_touchpoint p
       WHERE p.distributor_id = :distributor_id AND {filters} ORDER BY p.id DESC LIMIT :limit""",
    ShareStat,
    filters={"after": "p.id < :after"},
)


async def shares_of(session: Session, paging: Paging, distributor_id: UUID) -> Rows[ShareStat]:
    """Links credited to a distributor, newest first."""
    return await paging.rows(session, TouchpointId, _SHARES, distributor_id=distributor_id)
