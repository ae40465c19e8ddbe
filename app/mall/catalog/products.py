"""Categories, products and SKUs, as headquarters keeps them."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.db import BulkInsert, Listing, Session, Statement
from app.core.errors import NotFound, VersionConflict
from app.core.ids import ProductId, new_id
from app.core.paging import Page, Paging
from app.mall.catalog import models
from app.mall.catalog.schemas import (
    CategoryCreate,
    CategoryUpdate,
    CategoryView,
    ProductAdminView,
    ProductCreate,
    ProductStatus,
    ProductUpdate,
    SkuCreate,
    SkuStatus,
    SkuUpdate,
    SkuView,
)


class _Product(msgspec.Struct, frozen=True):
    id: UUID
    title: str
    description: str
    pictures: list[str]
    category_id: UUID | None
    status: ProductStatus
    version: int


class _Sku(msgspec.Struct, frozen=True):
    id: UUID
    product_id: UUID
    title: str
    list_fen: int
    status: SkuStatus = SkuStatus.ACTIVE
    version: int = 1


_CATEGORY = "id, name, position, version"
_PRODUCT = ", ".join(_Product.__struct_fields__)
_SKU = ", ".join(_Sku.__struct_fields__)

_ADD_CATEGORY = Statement(
    f"INSERT INTO mall_category (id, name, position, version) VALUES (:id, :name, :position, 1) RETURNING {_CATEGORY}",
    CategoryView,
)
_SET_CATEGORY = Statement(
    f"""UPDATE mall_category SET name = :name, position = :position, version = version + 1
        WHERE id = :id AND version = :version RETURNING {_CATEGORY}""",
    CategoryView,
)
_CATEGORIES = Statement(
    f"SELECT {_CATEGORY} FROM mall_category ORDER BY position, id LIMIT 500",
    CategoryView,
)
_CATEGORY_VERSION = Statement("SELECT version FROM mall_category WHERE id = :id", int)
_ADD_PRODUCT = BulkInsert(models.Product, _Product)
_SET_PRODUCT = Statement(
    """UPDATE mall_product SET title = :title, description = :description, pictures = :pictures,
              category_id = :category_id, status = :status, version = version + 1
       WHERE id = :id AND version = :version"""
)
_PRODUCT_VERSION = Statement("SELECT version FROM mall_product WHERE id = :id", int)
_PRODUCTS = Listing(
    f"SELECT {_PRODUCT} FROM mall_product WHERE {{filters}} ORDER BY id DESC LIMIT :limit",
    _Product,
    filters={"id": "id = :id", "after": "id < :after"},
)
_ADD_SKUS = BulkInsert(models.Sku, _Sku)
_SET_SKU = Statement(
    """UPDATE mall_sku SET title = :title, list_fen = :list_fen, status = :status, version = version + 1
       WHERE id = :id AND version = :version"""
)
_SKU_BY_ID = Statement(f"SELECT {_SKU} FROM mall_sku WHERE id = :id", _Sku)
_SKUS_OF = Statement(f"SELECT {_SKU} FROM mall_sku WHERE product_id = ANY(:ids) ORDER BY id", _Sku)


async def create_category(session: Session, request: CategoryCreate) -> CategoryView:
    """A new category."""
    return await _ADD_CATEGORY.one(session, id=new_id(), name=request.name, position=request.position)


async def update_category(session: Session, category_id: UUID, request: CategoryUpdate) -> CategoryView:
    """Raises NotFound, VersionConflict."""
    changed = await _SET_CATEGORY.first(
        session, id=category_id, name=request.name, position=request.position, version=request.version
    )
    if changed is None:
        raise await _stale(session, _CATEGORY_VERSION, category_id)
    return changed


async def list_categories(session: Session) -> list[CategoryView]:
    """All categories by position, at most 500."""
    return await _CATEGORIES.all(session)


async def create_product(session: Session, request: ProductCreate) -> ProductAdminView:
    """A product and its SKUs. Raises NotFound for an unknown category."""
    await _require_category(session, request.category)
    product = _Product(
        id=new_id(),
        title=request.title,
        description=request.description,
        pictures=[str(url) for url in request.pictures],
        category_id=request.category,
        status=request.status,
        version=1,
    )
    skus = [_Sku(new_id(), product.id, sku.title, sku.list_fen) for sku in request.skus]
    await _ADD_PRODUCT.run(session, [product])
    await _ADD_SKUS.run(session, skus)
    return _admin_view(product, skus)


async def update_product(session: Session, product_id: UUID, request: ProductUpdate) -> ProductAdminView:
    """Raises NotFound, VersionConflict."""
    await _require_category(session, request.category)
    changed = await _SET_PRODUCT.run(
        session,
        id=product_id,
        title=request.title,
        description=request.description,
        pictures=[str(url) for url in request.pictures],
        category_id=request.category,
        status=request.status,
        version=request.version,
    )
    if not changed:
        raise await _stale(session, _PRODUCT_VERSION, product_id)
    return await get_product(session, product_id)


async def get_product(session: Session, product_id: UUID) -> ProductAdminView:
    """A product as staff see it, with every SKU. Raises NotFound."""
    product = await _PRODUCTS.first(session, id=product_id, limit=1)
    if product is None:
        raise NotFound
    return _admin_view(product, await _SKUS_OF.all(session, ids=[product_id]))


async def list_products(session: Session, paging: Paging) -> Page[ProductAdminView]:
    """Products as staff see them, newest first."""
    rows = await paging.rows(session, ProductId, _PRODUCTS)
    skus: defaultdict[UUID, list[_Sku]] = defaultdict(list)
    for sku in await _SKUS_OF.all(session, ids=[product.id for product in rows.items]):
        skus[sku.product_id].append(sku)
    return rows.page([_admin_view(product, skus[product.id]) for product in rows.items])


def _admin_view(product: _Product, skus: Sequence[_Sku]) -> ProductAdminView:
    return ProductAdminView(
        id=product.id,
        title=product.title,
        description=product.description,
        pictures=product.pictures,
        category=product.category_id,
        status=product.status,
        version=product.version,
        skus=[_sku_view(sku) for sku in skus],
    )


async def add_sku(session: Session, request: SkuCreate) -> SkuView:
    """Raises NotFound for an unknown product."""
    if await _PRODUCT_VERSION.first(session, id=request.product) is None:
        raise NotFound
    sku = _Sku(new_id(), request.product, request.title, request.list_fen)
    await _ADD_SKUS.run(session, [sku])
    return _sku_view(sku)


async def update_sku(session: Session, sku_id: UUID, request: SkuUpdate) -> SkuView:
    """Raises NotFound, VersionConflict. Orders keep the price that they were placed at."""
    changed = await _SET_SKU.run(
        session,
        id=sku_id,
        title=request.title,
        list_fen=request.list_fen,
        status=request.status,
        version=request.version,
    )
    current = await get_sku(session, sku_id)
    if not changed:
        raise VersionConflict(version=current.version)
    return current


async def get_sku(session: Session, sku_id: UUID) -> SkuView:
    """Raises NotFound."""
    sku = await _SKU_BY_ID.first(session, id=sku_id)
    if sku is None:
        raise NotFound
    return _sku_view(sku)


async def _stale(session: Session, version_of: Statement[int], key: UUID) -> NotFound | VersionConflict:
    """Why a row of that version was not there to change."""
    version = await version_of.first(session, id=key)
    return NotFound() if version is None else VersionConflict(version=version)


async def _require_category(session: Session, category_id: UUID | None) -> None:
    if category_id is not None and await _CATEGORY_VERSION.first(session, id=category_id) is None:
        raise NotFound


def _sku_view(sku: _Sku) -> SkuView:
    return SkuView(
        id=sku.id,
        product=sku.product_id,
        title=sku.title,
        list_fen=sku.list_fen,
        status=sku.status,
        version=sku.version,
    )
