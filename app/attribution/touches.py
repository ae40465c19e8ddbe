"""Touchpoints and touches: where customers can come from, and where they did."""

from uuid import UUID

import asyncpg

from app.attribution.freezing import candidates
from app.attribution.rules import eliminate
from app.attribution.schemas import CreditView, ShareCreate, Touchpoint, TouchpointKind, TouchView
from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.ids import new_id, wire
from app.core.settings import Settings


async def open_room(session: AsyncSession, *, room_id: UUID, store_id: UUID, guide_id: UUID | None) -> Touchpoint:
    """The room's touchpoint. Visits are noted at once and count from `start_room` on. Asking again answers the same."""
    touchpoint_id = await db.fetchval(
        session,
        """INSERT INTO attribution_touchpoint (id, kind, room_id, store_id, guide_id)
           VALUES ($1, 'room', $2, $3, $4)
           ON CONFLICT (room_id) WHERE kind = 'room' DO UPDATE SET store_id = excluded.store_id RETURNING id""",
        new_id(),
        room_id,
        store_id,
        guide_id,
    )
    return Touchpoint(touchpoint_id, TouchpointKind.ROOM, _room_path(room_id, touchpoint_id))


async def start_room(session: AsyncSession, room_id: UUID) -> None:
    """Visits count from now on, also those of people who came early and waited."""
    await db.execute(
        session,
        """UPDATE attribution_touchpoint SET live_from = coalesce(live_from, clock_timestamp()), live_to = NULL
           WHERE room_id = $1 AND kind = 'room'""",
        room_id,
    )


async def close_room(session: AsyncSession, room_id: UUID) -> None:
    """New visits no longer count; those within the window keep their credit for its time."""
    await db.execute(
        session,
        """UPDATE attribution_touchpoint SET live_to = clock_timestamp()
           WHERE room_id = $1 AND kind = 'room' AND live_to IS NULL""",
        room_id,
    )


async def shelve(session: AsyncSession, room_id: UUID, product_id: UUID) -> None:
    """From now on a visit to the room can be credited for this product."""
    await db.execute(
        session,
        """INSERT INTO attribution_shelf (room_id, product_id) VALUES ($1, $2)
           ON CONFLICT (room_id, product_id) DO UPDATE SET removed_at = NULL""",
        room_id,
        product_id,
    )


async def unshelve(session: AsyncSession, room_id: UUID, product_id: UUID) -> None:
    await db.execute(
        session,
        """UPDATE attribution_shelf SET removed_at = clock_timestamp()
           WHERE room_id = $1 AND product_id = $2 AND removed_at IS NULL""",
        room_id,
        product_id,
    )


async def enter_room(session: AsyncSession, *, customer_id: UUID, room_id: UUID) -> None:
    """Record a visit that the server itself saw (a ticket was asked for). Raises NotFound."""
    touchpoint_id = await db.fetchval(
        session, "SELECT id FROM attribution_touchpoint WHERE room_id = $1 AND kind = 'room'", room_id
    )
    if touchpoint_id is None:
        raise NotFound
    await _write_touch(session, customer_id, touchpoint_id, entry="ticket")


async def touch(
    session: AsyncSession, settings: Settings, *, customer_id: UUID, touchpoint_id: UUID, entry: str | None
) -> TouchView:
    """Record that a customer came by a link or code. Raises NotFound for an unknown one.

    The first share touch of a customer without a valid distributor also binds him to that distributor: first wins.
    """
    row = await _write_touch(session, customer_id, touchpoint_id, entry=entry)
    if row["distributor_id"] is not None:
        await _bind_to_first_distributor(session, customer_id, row["distributor_id"])
    found = await candidates(session, settings, customer_id)
    parties = eliminate(found, customer_id)
    return TouchView(
        id=row["id"],
        product=row["product_id"],
        room=row["touchpoint_room_id"],
        store=row["store_id"],
        credited=CreditView(
            distributor=parties.distributor.id if parties.distributor else None,
            guide=parties.guide.id if parties.guide else None,
            store=(parties.guide.store_id if parties.guide else None) or found.bond_store_id,
        ),
        touched_at=row["touched_at"],
    )


_WRITE_TOUCH = """
INSERT INTO attribution_touch
    (id, customer_id, touchpoint_id, distributor_id, guide_id, room_id, store_id, product_id, first, entry)
SELECT $1, $2, t.id, t.distributor_id, coalesce(t.guide_id, r.guide_id),
       CASE WHEN coalesce(w.live_to, 'infinity') > statement_timestamp() THEN w.room_id END,
       coalesce(t.store_id, r.store_id), t.product_id,
       $5 AND NOT EXISTS (SELECT 1 FROM attribution_touch a WHERE a.customer_id = $2), $4
FROM attribution_touchpoint t
LEFT JOIN attribution_touchpoint r ON r.kind = 'room' AND r.room_id = t.room_id AND t.kind = 'share'
LEFT JOIN attribution_touchpoint w ON w.kind = 'room' AND w.room_id = t.room_id
WHERE t.id = $3
ON CONFLICT (customer_id) WHERE first DO NOTHING
RETURNING id, distributor_id, product_id, store_id, touched_at,
          (SELECT room_id FROM attribution_touchpoint WHERE id = $3) AS touchpoint_room_id
"""


async def _write_touch(
    session: AsyncSession, customer_id: UUID, touchpoint_id: UUID, *, entry: str | None
) -> asyncpg.Record:
    # Nothing is written for an unknown touchpoint, nor as the first when another first came at the same time.
    for may_be_first in (True, False):
        row = await db.fetchrow(session, _WRITE_TOUCH, new_id(), customer_id, touchpoint_id, entry, may_be_first)
        if row is not None:
            return row
    raise NotFound


# Reading `ended` makes its UPDATE run before the INSERT meets the open bond.
_BIND_TO_FIRST = """
WITH ended AS (
    UPDATE attribution_bond b SET ended_at = clock_timestamp()
    WHERE customer_id = $2 AND kind = 'distributor' AND ended_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM attribution_promoter p WHERE p.promoter_id = b.promoter_id AND p.valid_to IS NULL)
    RETURNING id
)
INSERT INTO attribution_bond (id, customer_id, kind, promoter_id)
SELECT $1, $2, 'distributor', promoter_id FROM attribution_promoter
WHERE promoter_id = $3 AND valid_to IS NULL AND person_id IS DISTINCT FROM $2 AND (SELECT count(*) FROM ended) >= 0
ON CONFLICT (customer_id, kind) WHERE ended_at IS NULL DO NOTHING
"""


async def _bind_to_first_distributor(session: AsyncSession, customer_id: UUID, distributor_id: UUID) -> None:
    await db.execute(session, _BIND_TO_FIRST, new_id(), customer_id, distributor_id)


async def share(session: AsyncSession, *, sharer_id: UUID, asked: ShareCreate) -> Touchpoint:
    """A link of the sharer's own. A distributor or guide is credited for it; anybody else's link carries on the credit
    of the one that he came by. Raises NotFound for an unknown room or `via`."""
    own = await db.fetchrow(
        session,
        """SELECT promoter_id, kind FROM attribution_promoter
           WHERE person_id = $1 AND valid_to IS NULL ORDER BY kind LIMIT 1""",
        sharer_id,
    )
    via = await _touchpoint(session, asked.via) if asked.via else None
    if asked.room is not None and not await db.fetchval(
        session, "SELECT 1 FROM attribution_touchpoint WHERE room_id = $1 AND kind = 'room'", asked.room
    ):
        raise NotFound
    if own is not None:
        distributor_id = own["promoter_id"] if own["kind"] == "distributor" else None
        guide_id = own["promoter_id"] if own["kind"] == "guide" else None
    else:
        distributor_id = via["distributor_id"] if via else None
        guide_id = via["guide_id"] if via else None
    touchpoint_id = new_id()
    await db.execute(
        session,
        """INSERT INTO attribution_touchpoint
               (id, kind, distributor_id, guide_id, sharer_id, product_id, room_id, via_id)
           VALUES ($1, 'share', $2, $3, $4, $5, $6, $7)""",
        touchpoint_id,
        distributor_id,
        guide_id,
        sharer_id,
        asked.product,
        asked.room,
        asked.via,
    )
    path = (
        _room_path(asked.room, touchpoint_id)
        if asked.room
        else f"/pages/product?id={wire('prd', _given(asked.product))}&t={wire('tpt', touchpoint_id)}"
    )
    return Touchpoint(touchpoint_id, TouchpointKind.SHARE, path)


def _given(product_id: UUID | None) -> UUID:
    assert product_id is not None, "a share has a product or a room"
    return product_id


async def _touchpoint(session: AsyncSession, touchpoint_id: UUID) -> asyncpg.Record:
    row = await db.fetchrow(
        session, "SELECT distributor_id, guide_id FROM attribution_touchpoint WHERE id = $1", touchpoint_id
    )
    if row is None:
        raise NotFound
    return row


def _room_path(room_id: UUID, touchpoint_id: UUID) -> str:
    return f"/pages/room?id={wire('rom', room_id)}&t={wire('tpt', touchpoint_id)}"


async def code_target(session: AsyncSession, touchpoint_id: UUID) -> str:
    """The mini-program page that a touchpoint's code opens. Raises NotFound."""
    row = await db.fetchrow(session, "SELECT room_id FROM attribution_touchpoint WHERE id = $1", touchpoint_id)
    if row is None:
        raise NotFound
    return "pages/room" if row["room_id"] else "pages/product"
