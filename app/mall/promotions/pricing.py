"""The price of what somebody wants to buy: the same code for the quote and for checkout."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from app.core.db import Session
from app.mall import catalog
from app.mall.catalog import NotOnSale
from app.mall.promotions.errors import LineRepeated
from app.mall.promotions.rules import Price, PricedLine


class BasketLine(Protocol):
    """A SKU and how many of it."""

    @property
    def sku(self) -> UUID: ...
    @property
    def quantity(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Priced:
    """A price, the place it holds at and the moment of the database's clock at which it was asked for."""

    place_id: UUID
    place_name: str
    scope_path: str
    book: str
    price: Price
    now: datetime


async def price(session: Session, place_id: UUID, lines: Sequence[BasketLine]) -> Priced:
    """What it costs now, in one statement. Raises LineRepeated, and NotOnSale for an unknown or closed place or SKU."""
    skus = [line.sku for line in lines]
    if len(set(skus)) < len(skus):
        raise LineRepeated
    place = await catalog.offers(session, place_id, skus)
    if place is None or not place.is_open:
        raise NotOnSale(store=place_id)
    priced = []
    for line in lines:
        offer = place.by_sku.get(line.sku)
        if offer is None or not offer.on_sale:
            raise NotOnSale(sku=line.sku)
        priced.append(
            PricedLine(
                sku_id=offer.sku_id,
                product_id=offer.product_id,
                title=offer.title,
                sku_title=offer.sku_title,
                picture=offer.picture,
                quantity=line.quantity,
                list_fen=offer.list_fen,
                available=offer.available,
            )
        )
    return Priced(
        place_id=place_id,
        place_name=place.name,
        scope_path=place.scope_path,
        book=place.book,
        price=Price(lines=priced, freight_fen=0),
        now=place.now,
    )
