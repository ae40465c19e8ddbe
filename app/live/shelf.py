"""What a room offers and shows, and who may not speak in it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from app import attribution
from app.core.auth import Actor
from app.core.db import Session, Statement
from app.core.errors import NotFound, VersionConflict
from app.core.events import publish
from app.live.errors import LiveRoomEnded, ShelfFull, ShelfProductUnknown
from app.live.events import MemberMuted, ProductPinned, ProductUnpinned
from app.live.records import Room, lock, shelf_of
from app.live.rooms import get_room_in_scope, has_visited
from app.live.schemas import (
    SHELF_LIMIT,
    MuteCreate,
    MuteView,
    RoomStatus,
    ShelfItem,
    ShelfUpdate,
    StaffRoomView,
)
from app.mall import catalog

_ADD = Statement(
    """INSERT INTO live_shelf (room_id, product_id, position)
       SELECT :room_id, :product_id, coalesce(max(position) + 1, 0) FROM live_shelf WHERE room_id = :room_id
       ON CONFLICT DO NOTHING"""
)
_COUNT = Statement("SELECT count(*) FROM live_shelf WHERE room_id = :room_id", int)
_KEEP_ONLY = Statement("DELETE FROM live_shelf WHERE room_id = :room_id AND NOT product_id = ANY(:product_ids)")
_ARRANGE = Statement(
    """INSERT INTO live_shelf (room_id, product_id, position)
       SELECT :room_id, product_id, at - 1
       FROM unnest(:product_ids::uuid[]) WITH ORDINALITY AS requested (product_id, at)
       ON CONFLICT (room_id, product_id) DO UPDATE SET position = excluded.position"""
)
_PIN = Statement(
    """UPDATE live_room SET pinned_product_id = :product_id, version = version + :added WHERE id = :room_id
       RETURNING clock_timestamp()""",
    datetime,
)
_UNPIN = Statement(
    "UPDATE live_room SET pinned_product_id = NULL WHERE id = :room_id RETURNING clock_timestamp()", datetime
)
_EDITED = Statement("UPDATE live_room SET version = version + 1 WHERE id = :room_id")
_MUTE = Statement(
    """INSERT INTO live_mute (room_id, customer_id, "until", by_staff) VALUES (:room_id, :customer_id, :until, :by_staff)
       ON CONFLICT (room_id, customer_id) DO UPDATE SET "until" = excluded."until", by_staff = excluded.by_staff"""
)


async def items(session: Session, *, place_id: UUID, product_ids: Sequence[UUID]) -> dict[UUID, ShelfItem]:
    """Products of a store as a room shows them; what is off sale is left out."""
    if not product_ids:
        return {}
    cards = await catalog.product_cards(session, place_id, list(product_ids))
    return {
        product_id: ShelfItem(
            product=product_id,
            title=card.title,
            picture=card.pictures[0] if card.pictures else None,
            from_fen=card.from_fen,
        )
        for product_id, card in cards.items()
    }


async def _require_offered(session: Session, place_id: UUID, product_ids: Sequence[UUID]) -> None:
    known = await items(session, place_id=place_id, product_ids=product_ids)
    unknown = [product_id for product_id in product_ids if product_id not in known]
    if unknown:
        raise ShelfProductUnknown(products=unknown)


async def _lock_open(session: Session, actor: Actor, room_id: UUID) -> Room:
    room = await lock(session, actor, room_id)
    if room.status is RoomStatus.ENDED:
        raise LiveRoomEnded
    return room


async def pin(session: Session, actor: Actor, room_id: UUID, product_id: UUID) -> StaffRoomView:
    """Pin a product; it joins the shelf. Pinning the same one again announces it again.

    Raises NotFound, LiveRoomEnded, ShelfProductUnknown, ShelfFull.
    """
    room = await _lock_open(session, actor, room_id)
    await _require_offered(session, room.store_id, [product_id])
    added = await _ADD.run(session, room_id=room_id, product_id=product_id)
    if added and await _COUNT.one(session, room_id=room_id) > SHELF_LIMIT:
        raise ShelfFull(limit=SHELF_LIMIT)
    await attribution.shelve(session, room_id, product_id)
    pinned_at = await _PIN.one(session, room_id=room_id, product_id=product_id, added=added)
    await publish(
        session, ProductPinned(room_id=room_id, store_id=room.store_id, product_id=product_id, pinned_at=pinned_at)
    )
    return await get_room_in_scope(session, actor, room_id)


async def unpin(session: Session, actor: Actor, room_id: UUID) -> StaffRoomView:
    """Unpin what is pinned. Raises NotFound, LiveRoomEnded."""
    room = await _lock_open(session, actor, room_id)
    if room.pinned_product_id is not None:
        await _unpin(session, room_id, room.pinned_product_id)
    return await get_room_in_scope(session, actor, room_id)


async def _unpin(session: Session, room_id: UUID, product_id: UUID) -> None:
    unpinned_at = await _UNPIN.one(session, room_id=room_id)
    await publish(session, ProductUnpinned(room_id=room_id, product_id=product_id, unpinned_at=unpinned_at))


async def replace(session: Session, actor: Actor, room_id: UUID, request: ShelfUpdate) -> StaffRoomView:
    """Set the whole shelf. Raises NotFound, LiveRoomEnded, ShelfProductUnknown, VersionConflict.

    A pinned product that leaves the shelf is unpinned.
    """
    room = await _lock_open(session, actor, room_id)
    if room.version != request.version:
        raise VersionConflict(version=room.version)
    products = list(dict.fromkeys(request.products))
    await _require_offered(session, room.store_id, products)
    before = set(await shelf_of(session, room_id))
    await _KEEP_ONLY.run(session, room_id=room_id, product_ids=products)
    await _ARRANGE.run(session, room_id=room_id, product_ids=products)
    for product_id in sorted(set(products) - before):
        await attribution.shelve(session, room_id, product_id)
    for product_id in sorted(before - set(products)):
        await attribution.unshelve(session, room_id, product_id)
    await _EDITED.run(session, room_id=room_id)
    if room.pinned_product_id is not None and room.pinned_product_id not in products:
        await _unpin(session, room_id, room.pinned_product_id)
    return await get_room_in_scope(session, actor, room_id)


async def mute(session: Session, actor: Actor, room_id: UUID, request: MuteCreate) -> MuteView:
    """Mute a customer in the room until then. Raises NotFound, also for somebody who has never been in the room."""
    await lock(session, actor, room_id)
    if not await has_visited(session, room_id=room_id, customer_id=request.customer):
        raise NotFound
    await _MUTE.run(session, room_id=room_id, customer_id=request.customer, until=request.until, by_staff=actor.id)
    await publish(
        session,
        MemberMuted(room_id=room_id, customer_id=request.customer, until=request.until, staff_id=actor.id),
    )
    return MuteView(room=room_id, customer=request.customer, until=request.until)
