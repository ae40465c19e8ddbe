"""Categories, products and SKUs: kept by headquarters, shown to customers with a place's prices and stock."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import col, select

from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound, VersionConflict
from app.core.ids import new_id, wire
from app.mall.catalog.models import Category, Product, Sku
from app.mall.catalog.schemas import (
    CategoryCreate,
    CategoryUpdate,
    CategoryView,
    ProductAdminView,
    ProductCard,
    ProductCreate,
    ProductStatus,
    ProductUpdate,
    ShareTarget,
    SkuCreate,
    SkuOffer,
    SkuStatus,
    SkuUpdate,
    SkuView,
)


async def create_category(session: AsyncSession, asked: CategoryCreate) -> CategoryView:
    category = Category(id=new_id(), name=asked.name, position=asked.position)
    session.add(category)
    await session.flush()
    return _category_view(category)


async def update_category(session: AsyncSession, category_id: UUID, asked: CategoryUpdate) -> CategoryView:
    """Raises NotFound, VersionConflict."""
    category = await _locked(session, Category, category_id, asked.version)
    category.name, category.position, category.version = asked.name, asked.position, category.version + 1
    await session.flush()
    return _category_view(category)


async def list_categories(session: AsyncSession) -> list[CategoryView]:
    """All categories by position, at most 500."""
    rows = await session.exec(select(Category).order_by(col(Category.position), col(Category.id)).limit(500))
    return [_category_view(row) for row in rows]


async def create_product(session: AsyncSession, asked: ProductCreate) -> ProductAdminView:
    """A product and its SKUs. Raises NotFound for an unknown category."""
    await _require_category(session, asked.category)
    product = Product(
        id=new_id(),
        title=asked.title,
        description=asked.description,
        pictures=[str(url) for url in asked.pictures],
        category_id=asked.category,
        status=asked.status.value,
    )
    session.add(product)
    await session.flush()
    for sku in asked.skus:
        session.add(
            Sku(id=new_id(), product_id=product.id, title=sku.title, list_fen=sku.list_fen, status=SkuStatus.ACTIVE)
        )
    await session.flush()
    return await get_product(session, product.id)


async def update_product(session: AsyncSession, product_id: UUID, asked: ProductUpdate) -> ProductAdminView:
    """Raises NotFound, VersionConflict."""
    await _require_category(session, asked.category)
    product = await _locked(session, Product, product_id, asked.version)
    product.title, product.description = asked.title, asked.description
    product.pictures = [str(url) for url in asked.pictures]
    product.category_id, product.status = asked.category, asked.status.value
    product.version += 1
    await session.flush()
    return await get_product(session, product_id)


async def get_product(session: AsyncSession, product_id: UUID) -> ProductAdminView:
    """A product as staff see it, with every SKU. Raises NotFound."""
    product = await session.get(Product, product_id)
    if product is None:
        raise NotFound
    return (await _admin_views(session, [product]))[0]


async def list_products(session: AsyncSession, *, after: UUID | None, limit: int) -> list[ProductAdminView]:
    """Products as staff see them, newest first."""
    statement = select(Product).order_by(col(Product.id).desc()).limit(limit)
    if after is not None:
        statement = statement.where(col(Product.id) < after)
    return await _admin_views(session, (await session.exec(statement)).all())


async def _admin_views(session: AsyncSession, products: Sequence[Product]) -> list[ProductAdminView]:
    ids = [product.id for product in products]
    skus: dict[UUID, list[Sku]] = {}
    for sku in await session.exec(select(Sku).where(col(Sku.product_id).in_(ids)).order_by(col(Sku.id))):
        skus.setdefault(sku.product_id, []).append(sku)
    return [_admin_view(product, skus.get(product.id, [])) for product in products]


def _admin_view(product: Product, skus: Sequence[Sku]) -> ProductAdminView:
    return ProductAdminView(
        id=product.id,
        title=product.title,
        description=product.description,
        pictures=product.pictures,
        category=product.category_id,
        status=ProductStatus(product.status),
        version=product.version,
        skus=[_sku_view(sku) for sku in skus],
    )


async def add_sku(session: AsyncSession, asked: SkuCreate) -> SkuView:
    """Raises NotFound for an unknown product."""
    if await session.get(Product, asked.product) is None:
        raise NotFound
    sku = Sku(
        id=new_id(), product_id=asked.product, title=asked.title, list_fen=asked.list_fen, status=SkuStatus.ACTIVE
    )
    session.add(sku)
    await session.flush()
    return _sku_view(sku)


async def update_sku(session: AsyncSession, sku_id: UUID, asked: SkuUpdate) -> SkuView:
    """Raises NotFound, VersionConflict. Orders keep the price that they were placed at."""
    sku = await _locked(session, Sku, sku_id, asked.version)
    sku.title, sku.list_fen, sku.status = asked.title, asked.list_fen, asked.status.value
    sku.version += 1
    await session.flush()
    return _sku_view(sku)


async def get_sku(session: AsyncSession, sku_id: UUID) -> SkuView:
    """Raises NotFound."""
    sku = await session.get(Sku, sku_id)
    if sku is None:
        raise NotFound
    return _sku_view(sku)


async def _locked(session: AsyncSession, table: type[Any], key: UUID, version: int) -> Any:
    row = await session.get(table, key, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound
    if row.version != version:
        raise VersionConflict(version=row.version)
    return row


async def _require_category(session: AsyncSession, category_id: UUID | None) -> None:
    if category_id is not None and await session.get(Category, category_id) is None:
        raise NotFound


def _category_view(category: Category) -> CategoryView:
    return CategoryView(id=category.id, name=category.name, position=category.position, version=category.version)


def _sku_view(sku: Sku) -> SkuView:
    return SkuView(
        id=sku.id,
        product=sku.product_id,
        title=sku.title,
        list_fen=sku.list_fen,
        status=SkuStatus(sku.status),
        version=sku.version,
    )


_CARDS = """
SELECT p.id, p.title, p.description, p.pictures, p.category_id, min(o.list_fen) AS from_fen,
       jsonb_agg(jsonb_build_object('id', o.sku_id, 'title', o.title, 'list_fen', o.list_fen,
                                    'available', o.available) ORDER BY o.sku_id) AS skus
FROM mall_place place CROSS JOIN mall_product p
JOIN LATERAL (
    SELECT k.id AS sku_id, k.title, coalesce(pp.list_fen, k.list_fen) AS list_fen,
           coalesce(s.on_hand - s.reserved, 0) AS available
    FROM mall_sku k
    LEFT JOIN mall_place_price pp ON pp.place_id = $1 AND pp.sku_id = k.id
    LEFT JOIN mall_stock s ON s.place_id = $1 AND s.sku_id = k.id
    WHERE k.product_id = p.id AND k.status = 'active'
) o ON true
WHERE place.id = $1 AND p.status = 'on_sale' AND ($2::uuid[] IS NULL OR p.id = ANY($2))
  AND ($3::uuid IS NULL OR p.category_id = $3) AND ($4::text[] IS NULL OR p.title ILIKE ALL($4)) AND ($5::uuid IS NULL OR p.id < $5)
GROUP BY p.id ORDER BY p.id DESC LIMIT $6
"""


async def list_cards(
    session: AsyncSession, place_id: UUID, *, category: UUID | None, words: str | None, after: UUID | None, limit: int
) -> list[ProductCard]:
    """Products on sale whose titles hold every word, with the place's prices and stock, newest first.

    Raises NotFound for an unknown place.
    """
    patterns = None if words is None else [_holding(word) for word in words.split()]
    rows = await db.fetch(session, _CARDS, place_id, None, category, patterns, after, limit)
    if not rows and not await db.fetchval(session, "SELECT true FROM mall_place WHERE id = $1", place_id):
        raise NotFound
    return [_card(row) for row in rows]


def _holding(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def product_cards(session: AsyncSession, place_id: UUID, product_ids: list[UUID]) -> dict[UUID, ProductCard]:
    """Cards of the products that are on sale, by id."""
    rows = await db.fetch(session, _CARDS, place_id, product_ids, None, None, None, len(product_ids))
    return {row["id"]: _card(row) for row in rows}


def _card(row: asyncpg.Record) -> ProductCard:
    return ProductCard(
        id=row["id"],
        title=row["title"],
        description=row["description"],
        pictures=row["pictures"],
        category=row["category_id"],
        from_fen=row["from_fen"],
        skus=[SkuOffer(**{**sku, "id": UUID(sku["id"])}) for sku in row["skus"]],
        share=ShareTarget(path=f"/pages/product?id={wire('prd', row['id'])}", scene=None),
    )
