"""What SKUs cost at a place now, and whether they can be bought there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.db import Session, Statement


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One SKU at one place."""

    sku_id: UUID
    product_id: UUID
    title: str
    sku_title: str
    picture: str | None
    list_fen: int
    available: int
    on_sale: bool


class _Row(Offer, frozen=True, kw_only=True):
    place_name: str
    scope_path: str
    book: str
    place_open: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class PlaceOffers:
    """The offers of one place at one moment of the database's clock, by SKU."""

    place_id: UUID
    name: str
    scope_path: str
    book: str
    is_open: bool
    now: datetime
    by_sku: Mapping[UUID, Offer]


_OFFERS = Statement(
    """SELECT k.id AS sku_id, k.product_id, p.title, k.title AS sku_title, p.pictures->>0 AS picture,
              coalesce(pp.list_fen, k.list_fen) AS list_fen, coalesce(s.on_hand - s.reserved, 0) AS available,
              k.status = 'active' AND p.status = 'on_sale' AS on_sale,
              o.name AS place_name, o.scope_path, o.book, o.status = 'open' AS place_open, clock_timestamp() AS now
       FROM mall_place o
       JOIN mall_sku k ON k.id = ANY(:skus)
       JOIN mall_product p ON p.id = k.product_id
       LEFT JOIN mall_place_price pp ON pp.place_id = o.id AND pp.sku_id = k.id
       LEFT JOIN mall_stock s ON s.place_id = o.id AND s.sku_id = k.id
       WHERE o.id = :place_id""",
    _Row,
)


async def offers(session: Session, place_id: UUID, skus: Sequence[UUID]) -> PlaceOffers | None:
    """The offers for these SKUs, unknown ones left out; None for an unknown place and when no SKU is known."""
    rows = await _OFFERS.all(session, place_id=place_id, skus=skus)
    if not rows:
        return None
    first = rows[0]
    return PlaceOffers(
        place_id=place_id,
        name=first.place_name,
        scope_path=first.scope_path,
        book=first.book,
        is_open=first.place_open,
        now=first.now,
        by_sku={row.sku_id: row for row in rows},
    )
