"""Stock: every movement is one conditional statement whose row count decides.

A statement that moves several SKUs locks their rows in the order of their ids first, so that two orders with the same
SKUs never wait for each other in a ring.
"""

from collections.abc import Mapping
from uuid import UUID

from app.core import db
from app.core.auth import Actor
from app.core.db import AsyncSession
from app.core.errors import NotFound, VersionConflict
from app.core.ids import wire
from app.mall.catalog.schemas import StockUpdate, StockView
from app.mall.errors import OutOfStock

Quantities = Mapping[UUID, int]
"""SKU → units."""

_RESERVE_ONE = """
UPDATE mall_stock SET reserved = reserved + $3 WHERE place_id = $1 AND sku_id = $2 AND on_hand - reserved >= $3
"""


def _moving(change: str, condition: str = "true") -> str:
    return f"""
WITH wanted AS (SELECT * FROM unnest($2::uuid[], $3::int[]) AS w(sku_id, quantity)),
locked AS (
    SELECT sku_id FROM mall_stock WHERE place_id = $1 AND sku_id = ANY($2) ORDER BY sku_id FOR UPDATE
)
UPDATE mall_stock s SET {change}
FROM wanted w JOIN locked USING (sku_id)
WHERE s.place_id = $1 AND s.sku_id = w.sku_id AND {condition}
"""  # noqa: S608  constants only


_RESERVE = _moving("reserved = s.reserved + w.quantity", "s.on_hand - s.reserved >= w.quantity")
_RELEASE = _moving("reserved = s.reserved - w.quantity")
_COMMIT = _moving("on_hand = s.on_hand - w.quantity, reserved = s.reserved - w.quantity, sold = s.sold + w.quantity")
_RESTOCK = _moving("on_hand = s.on_hand + w.quantity, sold = s.sold - w.quantity")


def _columns(quantities: Quantities) -> tuple[list[UUID], list[int]]:
    skus = sorted(quantities)
    return skus, [quantities[sku] for sku in skus]


async def reserve(session: AsyncSession, place_id: UUID, quantities: Quantities) -> None:
    """Set units aside for an unpaid order, all or none. Raises OutOfStock naming the first SKU that is short."""
    if len(quantities) == 1:
        ((sku, quantity),) = quantities.items()
        moved = await db.execute(session, _RESERVE_ONE, place_id, sku, quantity)
    else:
        moved = await db.execute(session, _RESERVE, place_id, *_columns(quantities))
    if moved == len(quantities):
        return
    skus, _ = _columns(quantities)
    rows = await db.fetch(
        session,
        "SELECT sku_id, on_hand - reserved AS available FROM mall_stock WHERE place_id = $1 AND sku_id = ANY($2)",
        place_id,
        skus,
    )
    left = {row["sku_id"]: row["available"] for row in rows}
    short = next((sku for sku in skus if left.get(sku, 0) < quantities[sku]), skus[0])
    raise OutOfStock(sku=wire("sku", short), available=max(0, left.get(short, 0)))


async def release(session: AsyncSession, place_id: UUID, quantities: Quantities) -> None:
    """Give an unpaid order's units back."""
    moved = await db.execute(session, _RELEASE, place_id, *_columns(quantities))
    assert moved == len(quantities), "a reservation without its stock row"


async def commit(session: AsyncSession, place_id: UUID, quantities: Quantities) -> None:
    """A paid order's reserved units are sold."""
    moved = await db.execute(session, _COMMIT, place_id, *_columns(quantities))
    assert moved == len(quantities), "a sale without its stock row"


async def restock(session: AsyncSession, place_id: UUID, quantities: Quantities) -> None:
    """Refunded units that came back may be sold again."""
    moved = await db.execute(session, _RESTOCK, place_id, *_columns(quantities))
    assert moved == len(quantities), "a return without its stock row"


_SET = """
INSERT INTO mall_stock (place_id, sku_id, on_hand, reserved, sold, received, version)
SELECT p.id, s.id, $3, 0, 0, $3, 1 FROM mall_place p, mall_sku s
WHERE p.id = $1 AND s.id = $2 AND p.scope_path LIKE $4 || '%' AND $5 = 0
ON CONFLICT (place_id, sku_id) DO NOTHING
"""
_CHANGE = """
UPDATE mall_stock s SET on_hand = $3 - s.sold, received = $3, version = s.version + 1 FROM mall_place p
WHERE s.place_id = $1 AND s.sku_id = $2 AND p.id = $1 AND p.scope_path LIKE $4 || '%'
  AND s.version = $5 AND s.reserved <= $3 - s.sold
"""


async def set_stock(
    session: AsyncSession, actor: Actor, place_id: UUID, sku_id: UUID, wanted: StockUpdate
) -> StockView:
    """Say how many units were counted at a place, and its own price.

    Units are sold while somebody counts, and selling changes no version: the count is taken as all that was received,
    counted and sold by then. Raises NotFound outside the actor's scope, VersionConflict when somebody else changed it,
    OutOfStock when fewer would remain than unpaid orders have reserved.
    """
    statement = _SET if wanted.version == 0 else _CHANGE
    received = wanted.on_hand + wanted.sold
    moved = await db.execute(session, statement, place_id, sku_id, received, actor.scope_path, wanted.version)
    if not moved:
        current = await stock_at(session, actor, place_id, sku_id)
        if current.version != wanted.version:
            raise VersionConflict(version=current.version)
        raise OutOfStock(sku=wire("sku", sku_id), available=current.available)
    await _set_price(session, place_id, sku_id, wanted.own_list_fen)
    return await stock_at(session, actor, place_id, sku_id)


async def _set_price(session: AsyncSession, place_id: UUID, sku_id: UUID, list_fen: int | None) -> None:
    if list_fen is None:
        await db.execute(session, "DELETE FROM mall_place_price WHERE place_id = $1 AND sku_id = $2", place_id, sku_id)
        return
    await db.execute(
        session,
        """INSERT INTO mall_place_price (place_id, sku_id, list_fen) VALUES ($1, $2, $3)
           ON CONFLICT (place_id, sku_id) DO UPDATE SET list_fen = excluded.list_fen""",
        place_id,
        sku_id,
        list_fen,
    )


async def stock_at(session: AsyncSession, actor: Actor, place_id: UUID, sku_id: UUID) -> StockView:
    """Stock of one SKU at one place. Raises NotFound, also outside the actor's scope."""
    row = await db.fetchrow(
        session,
        """SELECT s.place_id AS place, s.sku_id AS sku, s.on_hand, s.reserved, s.sold, s.received, s.version,
                  s.on_hand - s.reserved AS available, coalesce(pp.list_fen, k.list_fen) AS list_fen,
                  pp.list_fen AS own_list_fen
           FROM mall_stock s JOIN mall_place p ON p.id = s.place_id JOIN mall_sku k ON k.id = s.sku_id
           LEFT JOIN mall_place_price pp ON pp.place_id = s.place_id AND pp.sku_id = s.sku_id
           WHERE s.place_id = $1 AND s.sku_id = $2 AND p.scope_path LIKE $3 || '%'""",
        place_id,
        sku_id,
        actor.scope_path,
    )
    if row is None:
        raise NotFound
    return StockView(**dict(row))
