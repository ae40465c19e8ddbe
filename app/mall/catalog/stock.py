"""Stock: every movement is one conditional statement whose row count decides.

A statement that moves several SKUs locks their rows in the order of their ids first, so that two orders with the same
SKUs never wait for each other in a ring.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from app.core.auth import Actor
from app.core.db import Session, Statement, within
from app.core.errors import NotFound, VersionConflict
from app.mall.catalog.errors import OutOfStock
from app.mall.catalog.schemas import StockUpdate, StockView

Quantities = Mapping[UUID, int]
"""SKU → units."""


class _Left(msgspec.Struct, frozen=True):
    sku_id: UUID
    available: int


def _moving(change: str, condition: str = "true") -> Statement[None]:
    return Statement(
        f"""WITH requested AS (SELECT sku_id, quantity FROM unnest(:skus::uuid[], :units::int[]) AS r(sku_id, quantity)),
            locked AS (
                SELECT sku_id FROM mall_stock WHERE place_id = :place_id AND sku_id = ANY(:skus)
                ORDER BY sku_id FOR UPDATE
            )
            UPDATE mall_stock s SET {change}
            FROM requested r JOIN locked USING (sku_id)
            WHERE s.place_id = :place_id AND s.sku_id = r.sku_id AND {condition}"""
    )


_RESERVE_ONE = Statement(
    """UPDATE mall_stock SET reserved = reserved + :units
       WHERE place_id = :place_id AND sku_id = :sku AND on_hand - reserved >= :units"""
)
_RESERVE = _moving("reserved = s.reserved + r.quantity", "s.on_hand - s.reserved >= r.quantity")
_RELEASE = _moving("reserved = s.reserved - r.quantity")
_COMMIT = _moving("on_hand = s.on_hand - r.quantity, reserved = s.reserved - r.quantity, sold = s.sold + r.quantity")
_RESTOCK = _moving("on_hand = s.on_hand + r.quantity, sold = s.sold - r.quantity")
_LEFT = Statement(
    """SELECT sku_id, on_hand - reserved AS available FROM mall_stock
       WHERE place_id = :place_id AND sku_id = ANY(:skus)""",
    _Left,
)


def _columns(place_id: UUID, quantities: Quantities) -> dict[str, Any]:
    skus = sorted(quantities)
    return {"place_id": place_id, "skus": skus, "units": [quantities[sku] for sku in skus]}


async def reserve(session: Session, place_id: UUID, quantities: Quantities) -> None:
    """Set units aside for an unpaid order, all or none. Raises OutOfStock naming the first SKU that is short."""
    if len(quantities) == 1:
        ((sku, units),) = quantities.items()
        moved = await _RESERVE_ONE.run(session, place_id=place_id, sku=sku, units=units)
    else:
        moved = await _RESERVE.run(session, **_columns(place_id, quantities))
    if moved == len(quantities):
        return
    skus = sorted(quantities)
    left = {row.sku_id: row.available for row in await _LEFT.all(session, place_id=place_id, skus=skus)}
    short = next((sku for sku in skus if left.get(sku, 0) < quantities[sku]), skus[0])
    raise OutOfStock(sku=short, available=max(0, left.get(short, 0)))


async def release(session: Session, place_id: UUID, quantities: Quantities) -> None:
    """Give an unpaid order's units back."""
    moved = await _RELEASE.run(session, **_columns(place_id, quantities))
    assert moved == len(quantities), "a reservation without its stock row"


async def commit(session: Session, place_id: UUID, quantities: Quantities) -> None:
    """A paid order's reserved units are sold."""
    moved = await _COMMIT.run(session, **_columns(place_id, quantities))
    assert moved == len(quantities), "a sale without its stock row"


async def restock(session: Session, place_id: UUID, quantities: Quantities) -> None:
    """Refunded units that came back may be sold again."""
    moved = await _RESTOCK.run(session, **_columns(place_id, quantities))
    assert moved == len(quantities), "a return without its stock row"


_SET = Statement(
    f"""INSERT INTO mall_stock (place_id, sku_id, on_hand, reserved, sold, received, version)
        SELECT p.id, s.id, :received, 0, 0, :received, 1 FROM mall_place p, mall_sku s
        WHERE p.id = :place_id AND s.id = :sku_id AND {within("p.scope_path")}
        ON CONFLICT (place_id, sku_id) DO NOTHING"""
)
_CHANGE = Statement(
    f"""UPDATE mall_stock s SET on_hand = :received - s.sold, received = :received, version = s.version + 1
        FROM mall_place p
        WHERE s.place_id = :place_id AND s.sku_id = :sku_id AND p.id = s.place_id AND {within("p.scope_path")}
          AND s.version = :version AND s.reserved <= :received - s.sold"""
)
_DROP_PRICE = Statement("DELETE FROM mall_place_price WHERE place_id = :place_id AND sku_id = :sku_id")
_SET_PRICE = Statement(
    """INSERT INTO mall_place_price (place_id, sku_id, list_fen) VALUES (:place_id, :sku_id, :list_fen)
       ON CONFLICT (place_id, sku_id) DO UPDATE SET list_fen = excluded.list_fen"""
)
_STOCK_AT = Statement(
    f"""SELECT s.place_id AS place, s.sku_id AS sku, s.on_hand, s.reserved, s.sold, s.received, s.version,
               s.on_hand - s.reserved AS available, coalesce(pp.list_fen, k.list_fen) AS list_fen,
               pp.list_fen AS own_list_fen
        FROM mall_stock s JOIN mall_place p ON p.id = s.place_id JOIN mall_sku k ON k.id = s.sku_id
        LEFT JOIN mall_place_price pp ON pp.place_id = s.place_id AND pp.sku_id = s.sku_id
        WHERE s.place_id = :place_id AND s.sku_id = :sku_id AND {within("p.scope_path")}""",
    StockView,
)


async def set_stock(session: Session, actor: Actor, place_id: UUID, sku_id: UUID, request: StockUpdate) -> StockView:
    """Say how many units were counted at a place, and its own price.

    Units are sold while somebody counts, and selling changes no version: the count is taken as all that was received,
    counted and sold by then. Raises NotFound outside the actor's scope, VersionConflict when somebody else changed it,
    OutOfStock when fewer would remain than unpaid orders have reserved.
    """
    where: dict[str, Any] = {"place_id": place_id, "sku_id": sku_id, "scope": actor.scope}
    received = request.on_hand + request.sold
    if request.version == 0:
        moved = await _SET.run(session, received=received, **where)
    else:
        moved = await _CHANGE.run(session, received=received, version=request.version, **where)
    if not moved:
        current = await stock_at(session, actor, place_id, sku_id)
        if current.version != request.version:
            raise VersionConflict(version=current.version)
        raise OutOfStock(sku=sku_id, available=current.available)
    await _set_price(session, place_id, sku_id, request.own_list_fen)
    return await stock_at(session, actor, place_id, sku_id)


async def _set_price(session: Session, place_id: UUID, sku_id: UUID, list_fen: int | None) -> None:
    if list_fen is None:
        await _DROP_PRICE.run(session, place_id=place_id, sku_id=sku_id)
    else:
        await _SET_PRICE.run(session, place_id=place_id, sku_id=sku_id, list_fen=list_fen)


async def stock_at(session: Session, actor: Actor, place_id: UUID, sku_id: UUID) -> StockView:
    """Stock of one SKU at one place. Raises NotFound, also outside the actor's scope."""
    found = await _STOCK_AT.first(session, place_id=place_id, sku_id=sku_id, scope=actor.scope)
    if found is None:
        raise NotFound
    return found
