"""The quote: the price trail as clients read it, with its fingerprint."""

import hashlib

import msgspec

from app.core.db import Session
from app.mall import promotions
from app.mall.orders.schemas import Discount, QuoteCreate, QuoteLine, QuoteView
from app.mall.promotions import Priced


async def quote(session: Session, request: QuoteCreate) -> QuoteView:
    """What it would cost now. Raises LineRepeated, NotOnSale."""
    return quote_view(await promotions.price(session, request.store, request.lines))


def fingerprint(priced: Priced) -> str:
    """Equal for equal trails: the place, each SKU with its quantity, prices and discounts, and the freight."""
    lines = [(line.sku_id, line.quantity, line.list_fen, line.goods_paid_fen) for line in priced.price.lines]
    trail = msgspec.json.encode((priced.place_id, lines, priced.price.freight_fen))
    return hashlib.sha256(trail).hexdigest()[:32]


def quote_view(priced: Priced) -> QuoteView:
    """The price trail as clients read it."""
    discounts: list[Discount] = []
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
                discounts=discounts,
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
        fingerprint=fingerprint(priced),
        server_now=priced.now,
    )
