"""Touchpoints and touches: where customers can come from, and where they did."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.attribution.freezing import candidates
from app.attribution.schemas import CreditView, PromoterKind, ShareCreate, Touchpoint, TouchpointKind, TouchView
from app.core.db import Session, Statement
from app.core.errors import NotFound
from app.core.ids import new_id, wire


class _Touch(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    distributor_id: UUID | None
    product_id: UUID | None
    room_id: UUID | None
    store_id: UUID | None
    touched_at: datetime


class _Promoter(msgspec.Struct, frozen=True):
    promoter_id: UUID
    kind: PromoterKind


class _Credited(msgspec.Struct, frozen=True):
    distributor_id: UUID | None = None
    guide_id: UUID | None = None


_OPEN_ROOM = Statement(
    """INSERT INTO attribution_touchpoint (id, kind, room_id, store_id, guide_id)
       VALUES (:id, 'room', :room_id, :store_id, :guide_id)
       ON CONFLICT (room_id) WHERE kind = 'room' DO UPDATE SET store_id = excluded.store_id RETURNING id""",
    UUID,
)
_START_ROOM = Statement(
    """UPDATE attribution_touchpoint SET live_from = coalesce(live_from, clock_timestamp()), live_to = NULL
       WHERE room_id = :room_id AND kind = 'room'"""
)
_CLOSE_ROOM = Statement(
    """UPDATE attribution_touchpoint SET live_to = clock_timestamp()
       WHERE room_id = :room_id AND kind = 'room' AND live_to IS NULL"""
)
_SHELVE = Statement(
    """INSERT INTO attribution_shelf (room_id, product_id) VALUES (:room_id, :product_id)
       ON CONFLICT (room_id, product_id) DO UPDATE SET removed_at = NULL"""
)
_UNSHELVE = Statement(
    """UPDATE attribution_shelf SET removed_at = clock_timestamp()
       WHERE room_id = :room_id AND product_id = :product_id AND removed_at IS NULL"""
)
_ROOMS_TOUCHPOINT = Statement("SELECT id FROM attribution_touchpoint WHERE room_id = :room_id AND kind = 'room'", UUID)
_WRITE_TOUCH = Statement(
    """INSERT INTO attribution_touch
           (id, customer_id, touchpoint_id, distributor_id, guide_id, guide_store_id, room_id, store_id, product_id,
            first, entry)
       SELECT :id, :customer_id, t.id, t.distributor_id, coalesce(t.guide_id, r.guide_id), g.store_id,
              CASE WHEN coalesce(w.live_to, 'infinity') > statement_timestamp() THEN w.room_id END,
              coalesce(t.store_id, r.store_id), t.product_id,
              :may_be_first AND NOT EXISTS (SELECT 1 FROM attribution_touch a WHERE a.customer_id = :customer_id),
              :entry
       FROM attribution_touchpoint t
       LEFT JOIN attribution_touchpoint r ON r.kind = 'room' AND r.room_id = t.room_id AND t.kind = 'share'
       LEFT JOIN attribution_touchpoint w ON w.kind = 'room' AND w.room_id = t.room_id
       LEFT JOIN attribution_promoter g ON g.promoter_id = coalesce(t.guide_id, r.guide_id) AND g.valid_to IS NULL
       WHERE t.id = :touchpoint_id
       ON CONFLICT (customer_id) WHERE first DO NOTHING
       RETURNING id, distributor_id, product_id, store_id, touched_at,
                 (SELECT room_id FROM attribution_touchpoint WHERE id = :touchpoint_id) AS room_id""",
    _Touch,
)
# Reading `ended` makes its UPDATE run before the INSERT meets the open bond.
_BIND_TO_FIRST = Statement(
    """WITH ended AS (
           UPDATE attribution_bond b SET ended_at = clock_timestamp()
           WHERE customer_id = :customer_id AND ended_at IS NULL AND NOT EXISTS (
               SELECT 1 FROM attribution_promoter p WHERE p.promoter_id = b.promoter_id AND p.valid_to IS NULL)
           RETURNING id
       )
       INSERT INTO attribution_bond (id, customer_id, promoter_id)
       SELECT :id, :customer_id, promoter_id FROM attribution_promoter
       WHERE promoter_id = :distributor_id AND valid_to IS NULL AND person_id IS DISTINCT FROM :customer_id
         AND (SELECT count(*) FROM ended) >= 0
       ON CONFLICT (customer_id) WHERE ended_at IS NULL DO NOTHING"""
)
_PROMOTERS_OF = Statement(
    "SELECT promoter_id, kind FROM attribution_promoter WHERE person_id = :person_id AND valid_to IS NULL", _Promoter
)
_CREDITED = Statement("SELECT distributor_id, guide_id FROM attribution_touchpoint WHERE id = :id", _Credited)
_SHARE = Statement(
    """INSERT INTO attribution_touchpoint (id, kind, distributor_id, guide_id, sharer_id, product_id, room_id, via_id)
       VALUES (:id, 'share', :distributor_id, :guide_id, :sharer_id, :product_id, :room_id, :via_id)"""
)
_IS_OF_ROOM = Statement("SELECT room_id IS NOT NULL FROM attribution_touchpoint WHERE id = :id", bool)


async def open_room(session: Session, *, room_id: UUID, store_id: UUID, guide_id: UUID | None) -> Touchpoint:
    """The room's touchpoint; a repeat answers the same. Visits are recorded at once and count from `start_room` on."""
    touchpoint_id = await _OPEN_ROOM.one(session, id=new_id(), room_id=room_id, store_id=store_id, guide_id=guide_id)
    return Touchpoint(touchpoint_id, TouchpointKind.ROOM, _room_path(room_id, touchpoint_id))


async def start_room(session: Session, room_id: UUID) -> None:
    """Visits count from now on, also those of people who came early and waited."""
    await _START_ROOM.run(session, room_id=room_id)


async def close_room(session: Session, room_id: UUID) -> None:
    """New visits no longer count; those within the window keep their credit for its time."""
    await _CLOSE_ROOM.run(session, room_id=room_id)


async def shelve(session: Session, room_id: UUID, product_id: UUID) -> None:
    """From now on a visit to the room can be credited for this product."""
    await _SHELVE.run(session, room_id=room_id, product_id=product_id)


async def unshelve(session: Session, room_id: UUID, product_id: UUID) -> None:
    """New visits to the room can no longer be credited for this product."""
    await _UNSHELVE.run(session, room_id=room_id, product_id=product_id)


async def enter_room(session: Session, *, customer_id: UUID, room_id: UUID) -> None:
    """Record a visit that the server itself saw: the customer took a ticket. Raises NotFound."""
    touchpoint_id = await _ROOMS_TOUCHPOINT.first(session, room_id=room_id)
    if touchpoint_id is None:
        raise NotFound
    await _write_touch(session, customer_id, touchpoint_id, entry="ticket")


async def touch(session: Session, *, customer_id: UUID, touchpoint_id: UUID, entry: str | None) -> TouchView:
    """Record that a customer came by a link or code. Raises NotFound for an unknown one.

    The first share touch of a customer without a valid distributor also binds them to that distributor: first wins.
    """
    written = await _write_touch(session, customer_id, touchpoint_id, entry=entry)
    if written.distributor_id is not None:
        await _BIND_TO_FIRST.run(session, id=new_id(), customer_id=customer_id, distributor_id=written.distributor_id)
    found = await candidates(session, customer_id)
    return TouchView(
        id=written.id,
        product=written.product_id,
        room=written.room_id,
        store=written.store_id,
        credited=CreditView(
            distributor=found.distributor.id if found.distributor else None,
            guide=found.guide.id if found.guide else None,
            store=found.guide.store_id if found.guide else None,
        ),
        touched_at=written.touched_at,
    )


async def _write_touch(session: Session, customer_id: UUID, touchpoint_id: UUID, *, entry: str | None) -> _Touch:
    # Nothing is written for an unknown touchpoint, nor as the first when another first came at the same time.
    for may_be_first in (True, False):
        written = await _WRITE_TOUCH.first(
            session,
            id=new_id(),
            customer_id=customer_id,
            touchpoint_id=touchpoint_id,
            entry=entry,
            may_be_first=may_be_first,
        )
        if written is not None:
            return written
    raise NotFound


async def share(session: Session, *, sharer_id: UUID, request: ShareCreate) -> Touchpoint:
    """A link of the sharer's own. A guide is credited for it, or a distributor; who is both is on duty as the guide.
    Anybody else's link carries on the credit of the one that they came by. Raises NotFound for an unknown room or `via`."""
    own = {one.kind: one.promoter_id for one in await _PROMOTERS_OF.all(session, person_id=sharer_id)}
    via = await _credited(session, request.via) if request.via else _Credited()
    if request.room is not None and await _ROOMS_TOUCHPOINT.first(session, room_id=request.room) is None:
        raise NotFound
    credited = _of_sharer(own) if own else via
    touchpoint_id = new_id()
    await _SHARE.run(
        session,
        id=touchpoint_id,
        distributor_id=credited.distributor_id,
        guide_id=credited.guide_id,
        sharer_id=sharer_id,
        product_id=request.product,
        room_id=request.room,
        via_id=request.via,
    )
    path = (
        _room_path(request.room, touchpoint_id)
        if request.room
        else f"/pages/product?id={wire('prd', _given(request.product))}&t={wire('tpt', touchpoint_id)}"
    )
    return Touchpoint(touchpoint_id, TouchpointKind.SHARE, path)


def _of_sharer(own: dict[PromoterKind, UUID]) -> _Credited:
    if PromoterKind.GUIDE in own:
        return _Credited(guide_id=own[PromoterKind.GUIDE])
    return _Credited(distributor_id=own[PromoterKind.DISTRIBUTOR])


def _given(product_id: UUID | None) -> UUID:
    assert product_id is not None, "a share has a product or a room"
    return product_id


async def _credited(session: Session, touchpoint_id: UUID) -> _Credited:
    found = await _CREDITED.first(session, id=touchpoint_id)
    if found is None:
        raise NotFound
    return found


def _room_path(room_id: UUID, touchpoint_id: UUID) -> str:
    return f"/pages/room?id={wire('rom', room_id)}&t={wire('tpt', touchpoint_id)}"


async def code_target(session: Session, touchpoint_id: UUID) -> str:
    """The mini-program page that a touchpoint's code opens. Raises NotFound."""
    is_of_room = await _IS_OF_ROOM.first(session, id=touchpoint_id)
    if is_of_room is None:
        raise NotFound
    return "pages/room" if is_of_room else "pages/product"
