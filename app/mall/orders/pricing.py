"""The price of what somebody wants to buy: the same code for the quote and for checkout."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.core import db
from app.core.db import AsyncSession
from app.core.ids import wire
from app.mall.errors import LineRepeated, NotOnSale
from app.mall.orders.rules import Price, PricedLine
from app.mall.orders.schemas import QuoteCreate, QuoteLine, QuoteView

_LINES = """
SELECT k.id AS sku_id, k.product_id, p.title, k.title AS sku_title, p.pictures->0 AS picture,
       coalesce(pp.list_fen, k.list_fen) AS list_fen, coalesce(s.on_hand - s.reserved, 0) AS available,
       k.status = 'active' AND p.status = 'on_sale' AS on_sale,
       o.name AS place_name, o.scope_path, o.book, o.status = 'open' AS place_open, clock_timestamp() AS now
FROM mall_place o
JOIN mall_sku k ON k.id = ANY($2)
JOIN mall_product p ON p.id = k.product_id
LEFT JOIN mall_place_price pp ON pp.place_id = o.id AND pp.sku_id = k.id
LEFT JOIN mall_stock s ON s.place_id = o.id AND s.sku_id = k.id
WHERE o.id = $1
"""


@dataclass(frozen=True, slots=True)
class Priced:
    """A price and the place it holds at."""

    place_id: UUID
    place_name: str
    scope_path: str
    book: str
    price: Price
    now: datetime


async def price(session: AsyncSession, asked: QuoteCreate) -> Priced:
    """What it costs now, in one statement. Raises LineRepeated, and NotOnSale for an unknown or closed store or SKU."""
    skus = [line.sku for line in asked.lines]
    if len(set(skus)) < len(skus):
        raise LineRepeated
    rows = await db.fetch(session, _LINES, asked.store, skus)
    if not rows:
        raise NotOnSale(store=wire("sto", asked.store))
    if not rows[0]["place_open"]:
        raise NotOnSale(store=wire("sto", asked.store))
    by_sku = {row["sku_id"]: row for row in rows}
    lines = []
    for line in asked.lines:
        row = by_sku.get(line.sku)
        if row is None or not row["on_sale"]:
            raise NotOnSale(sku=wire("sku", line.sku))
        lines.append(
            PricedLine(
                sku_id=line.sku,
                product_id=row["product_id"],
                title=row["title"],
                sku_title=row["sku_title"],
                picture=row["picture"],
                quantity=line.quantity,
                list_fen=row["list_fen"],
                available=row["available"],
            )
        )
    first = rows[0]
    return Priced(
        place_id=asked.store,
        place_name=first["place_name"],
        scope_path=first["scope_path"],
        book=first["book"],
        price=Price(lines=lines, freight_fen=0),
        now=first["now"],
    )


def quote_view(priced: Priced) -> QuoteView:
    """The price trail as clients read it."""
    return QuoteView(
        store=priced.place_id,
        lines=[
            QuoteLine(
                sku=line.sku_id,
                product=line.product_id,
                title=line.title,
                sku_title=line.sku_title,
                picture=line.picture,
                quantity=line.quantity,
                list_fen=line.list_fen,
                goods_fen=line.goods_fen,
                discounts=[],
                goods_paid_fen=line.goods_paid_fen,
                available=line.available,
            )
            for line in priced.price.lines
        ],
        goods_fen=priced.price.goods_fen,
        freight_fen=priced.price.freight_fen,
        discount_fen=priced.price.discount_fen,
        payable_fen=priced.price.payable_fen,
        usable_coupons=[],
        unusable_coupons=[],
        server_now=priced.now,
    )
