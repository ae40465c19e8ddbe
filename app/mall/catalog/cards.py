"""Products as a shop shows them: what is on sale, with a place's prices and stock."""

from uuid import UUID

import msgspec

from app.core.db import Listing, Session, Statement
from app.core.errors import NotFound
from app.core.ids import ProductId, wire
from app.core.paging import Page, Paging
from app.mall.catalog.schemas import ProductCard, ShareTarget, SkuOffer


class _Offer(msgspec.Struct, frozen=True):
    id: UUID
    title: str
    list_fen: int
    available: int


class _Card(msgspec.Struct, frozen=True):
    id: UUID
    title: str
    description: str
    pictures: list[str]
    category_id: UUID | None
    from_fen: int
    skus: list[_Offer]


_CARDS = Listing(
    """SELECT p.id, p.title, p.description, p.pictures, p.category_id, o.from_fen, o.skus
       FROM (SELECT id, title, description, pictures, category_id FROM mall_product p
             WHERE status = 'on_sale' AND {filters}
               AND EXISTS (SELECT FROM mall_sku k WHERE k.product_id = p.id AND k.status = 'active')
             ORDER BY id DESC LIMIT :limit) p
       JOIN mall_place place ON place.id = :place_id AND place.status = 'open'
       CROSS JOIN LATERAL (
           SELECT min(coalesce(pp.list_fen, k.list_fen)) AS from_fen,
                  jsonb_agg(jsonb_build_object('id', k.id, 'title', k.title,
                                               'list_fen', coalesce(pp.list_fen, k.list_fen),
                                               'available', coalesce(s.on_hand - s.reserved, 0)) ORDER BY k.id) AS skus
           FROM mall_sku k
           LEFT JOIN mall_place_price pp ON pp.place_id = place.id AND pp.sku_id = k.id
           LEFT JOIN mall_stock s ON s.place_id = place.id AND s.sku_id = k.id
           WHERE k.product_id = p.id AND k.status = 'active'
       ) o
       ORDER BY p.id DESC""",
    _Card,
    filters={
        "ids": "p.id = ANY(:ids)",
        "category_id": "p.category_id = :category_id",
        "patterns": "p.title ILIKE ALL(:patterns)",
        "after": "p.id < :after",
    },
)
_OPEN = Statement("SELECT true FROM mall_place WHERE id = :place_id AND status = 'open'", bool)


async def list_cards(
    session: Session, paging: Paging, place_id: UUID, *, category: UUID | None, words: str | None
) -> Page[ProductCard]:
    """Products on sale whose titles hold every word, newest first. Raises NotFound for a place that is closed or unknown."""
    patterns = None if words is None else [_holding(word) for word in words.split()]
    page = await paging.read(
        session, ProductId, _CARDS, view=_card, place_id=place_id, category_id=category, patterns=patterns
    )
    if not page.items and await _OPEN.first(session, place_id=place_id) is None:
        raise NotFound
    return page


def _holding(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def product_cards(session: Session, place_id: UUID, product_ids: list[UUID]) -> dict[UUID, ProductCard]:
    """Cards of the products that are on sale, by id; none where the place is closed."""
    rows = await _CARDS.all(session, place_id=place_id, ids=product_ids, limit=len(product_ids))
    return {row.id: _card(row) for row in rows}


def _card(row: _Card) -> ProductCard:
    return ProductCard(
        id=row.id,
        title=row.title,
        description=row.description,
        pictures=row.pictures,
        category=row.category_id,
        from_fen=row.from_fen,
        skus=[SkuOffer(id=s.id, title=s.title, list_fen=s.list_fen, available=s.available) for s in row.skus],
        share=ShareTarget(path=f"/pages/product?id={wire('prd', row.id)}", scene=None),
    )
