"""What a room offers and shows, and who may not speak in it."""

from collections.abc import Sequence
from uuid import UUID

from app import attribution, mall
from app.core import db
from app.core.auth import Actor
from app.core.db import AsyncSession
from app.core.errors import NotFound, VersionConflict
from app.core.events import publish
from app.core.ids import wire
from app.live import rooms
from app.live.errors import LiveRoomEnded, ShelfFull, ShelfProductUnknown
from app.live.events import MemberMuted, ProductPinned, ProductUnpinned
from app.live.schemas import (
    SHELF_LIMIT,
    MuteCreate,
    MuteView,
    RoomStatus,
    ShelfItem,
    ShelfUpdate,
    StaffRoomView,
)


async def items(session: AsyncSession, *, place_id: UUID, product_ids: Sequence[UUID]) -> dict[UUID, ShelfItem]:
    """Products of a store as a room shows them; what is off sale is left out."""
    if not product_ids:
        return {}
    cards = await mall.product_cards(session, place_id, list(product_ids))
    return {
        product_id: ShelfItem(
            product=product_id,
            title=card.title,
            picture=card.pictures[0] if card.pictures else None,
            from_fen=card.from_fen,
        )
        for product_id, card in cards.items()
    }


async def _require_offered(session: AsyncSession, place_id: UUID, product_ids: Sequence[UUID]) -> None:
    known = await items(session, place_id=place_id, product_ids=product_ids)
    unknown = [wire("prd", product_id) for product_id in product_ids if product_id not in known]
    if unknown:
        raise ShelfProductUnknown(products=unknown)


async def _open_room(session: AsyncSession, actor: Actor, room_id: UUID) -> tuple[UUID, int, UUID | None]:
    """Lock a room that has not ended: its store, version and pinned product."""
    row = await rooms.within_reach(session, actor, room_id, lock=True)
    if row["status"] == RoomStatus.ENDED:
        raise LiveRoomEnded
    return row["store_id"], row["version"], row["pinned_product_id"]


async def pin(session: AsyncSession, actor: Actor, room_id: UUID, product_id: UUID) -> StaffRoomView:
    """Show a product; it joins the shelf. Showing the same one again tells the room again.

    Raises NotFound, LiveRoomEnded, ShelfProductUnknown, ShelfFull.
    """
    store_id, _, _ = await _open_room(session, actor, room_id)
    await _require_offered(session, store_id, [product_id])
    added = await db.execute(
        session,
        """INSERT INTO live_shelf (room_id, product_id, position)
           SELECT $1, $2, coalesce(max(position) + 1, 0) FROM live_shelf WHERE room_id = $1
           ON CONFLICT DO NOTHING""",
        room_id,
        product_id,
    )
    if added and await _shelved(session, room_id) > SHELF_LIMIT:
        raise ShelfFull(limit=SHELF_LIMIT)
    await attribution.shelve(session, room_id, product_id)
    pinned_at = await db.fetchval(
        session,
        """UPDATE live_room SET pinned_product_id = $2, version = version + $3 WHERE id = $1
           RETURNING clock_timestamp()""",
        room_id,
        product_id,
        added,
    )
    await publish(
        session, ProductPinned(room_id=room_id, store_id=store_id, product_id=product_id, pinned_at=pinned_at)
    )
    return await rooms.staff_view(session, await rooms.find(session, room_id))


async def _shelved(session: AsyncSession, room_id: UUID) -> int:
    return int(await db.fetchval(session, "SELECT count(*) FROM live_shelf WHERE room_id = $1", room_id))


async def unpin(session: AsyncSession, actor: Actor, room_id: UUID) -> StaffRoomView:
    """Show nothing. Raises NotFound, LiveRoomEnded."""
    _, _, pinned = await _open_room(session, actor, room_id)
    if pinned is not None:
        unpinned_at = await db.fetchval(
            session,
            "UPDATE live_room SET pinned_product_id = NULL WHERE id = $1 RETURNING clock_timestamp()",
            room_id,
        )
        await publish(session, ProductUnpinned(room_id=room_id, product_id=pinned, unpinned_at=unpinned_at))
    return await rooms.staff_view(session, await rooms.find(session, room_id))


async def replace(session: AsyncSession, actor: Actor, room_id: UUID, asked: ShelfUpdate) -> StaffRoomView:
    """Set the whole shelf. Raises NotFound, LiveRoomEnded, ShelfProductUnknown, VersionConflict.

    A pinned product that leaves the shelf is unpinned.
    """
    store_id, version, pinned = await _open_room(session, actor, room_id)
    if version != asked.version:
        raise VersionConflict(version=version)
    products = list(dict.fromkeys(asked.products))
    await _require_offered(session, store_id, products)
    before = await db.fetch(session, "SELECT product_id FROM live_shelf WHERE room_id = $1", room_id)
    await db.execute(
        session, "DELETE FROM live_shelf WHERE room_id = $1 AND NOT product_id = ANY($2)", room_id, products
    )
    await db.execute(
        session,
        """INSERT INTO live_shelf (room_id, product_id, position)
           SELECT $1, product_id, at - 1 FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (product_id, at)
           ON CONFLICT (room_id, product_id) DO UPDATE SET position = excluded.position""",
        room_id,
        products,
    )
    held = {row["product_id"] for row in before}
    for product_id in sorted(set(products) - held):
        await attribution.shelve(session, room_id, product_id)
    for product_id in sorted(held - set(products)):
        await attribution.unshelve(session, room_id, product_id)
    await db.execute(session, "UPDATE live_room SET version = version + 1 WHERE id = $1", room_id)
    if pinned is not None and pinned not in products:
        return await unpin(session, actor, room_id)
    return await rooms.staff_view(session, await rooms.find(session, room_id))


async def mute(session: AsyncSession, actor: Actor, room_id: UUID, asked: MuteCreate) -> MuteView:
    """Silence a customer in the room until then. Raises NotFound, also for somebody who was never in the room."""
    await rooms.within_reach(session, actor, room_id, lock=True)
    if not await db.fetchval(
        session, "SELECT 1 FROM live_visit WHERE room_id = $1 AND customer_id = $2", room_id, asked.customer
    ):
        raise NotFound
    await db.execute(
        session,
        """INSERT INTO live_mute (room_id, customer_id, "until", by_staff) VALUES ($1, $2, $3, $4)
           ON CONFLICT (room_id, customer_id) DO UPDATE SET "until" = excluded."until", by_staff = excluded.by_staff""",
        room_id,
        asked.customer,
        asked.until,
        actor.id,
    )
    await publish(
        session,
        MemberMuted(room_id=room_id, customer_id=asked.customer, until=asked.until, staff_id=actor.id),
    )
    return MuteView(room=room_id, customer=asked.customer, until=asked.until)
