"""The catalog over HTTP: what customers see, and what headquarters keeps."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.core.auth import AnyStaff, CurrentStaff, Headquarters, Managers, Visitor
from app.core.errors import NotFound, VersionConflict
from app.core.http import Page, PageQuery, Plain, Reading, Tx, problems
from app.core.ids import CategoryId, PlaceId, ProductId, SkuId, StoreId
from app.mall.catalog import cards, products, stock
from app.mall.catalog.errors import OutOfStock
from app.mall.catalog.schemas import (
    CategoryCreate,
    CategoryUpdate,
    CategoryView,
    ProductAdminView,
    ProductCard,
    ProductCreate,
    ProductSort,
    ProductUpdate,
    SkuCreate,
    SkuUpdate,
    SkuView,
    StockUpdate,
    StockView,
)

customer = APIRouter(prefix="/v1/mall", tags=["mall"])
admin = APIRouter(prefix="/v1/admin/mall", tags=["mall: staff"])
routers = [customer, admin]


@customer.get("/products", summary="List products on sale at a store", responses=problems(NotFound))
async def browse_products(
    actor: Visitor,
    session: Reading,
    paging: PageQuery,
    store: Annotated[StoreId, Query(description="Whose prices and stock are shown.")],
    category: CategoryId | None = None,
    q: Annotated[
        str | None, Plain, Query(min_length=1, max_length=40, description="Words that the title holds, all of them.")
    ] = None,
    sort: ProductSort = ProductSort.NEWEST,
) -> Page[ProductCard]:
    """Newest first. Each card carries a `share` ready for `onShareAppMessage`."""
    return await cards.list_cards(session, paging, store, category=category, words=q)


@customer.get("/products/{id}", summary="Get a product at a store", responses=problems(NotFound))
async def show_product(
    id: ProductId,
    actor: Visitor,
    session: Reading,
    store: StoreId,
) -> ProductCard:
    """With the store's prices and the units that can be bought now."""
    found = await cards.product_cards(session, store, [id])
    if id not in found:
        raise NotFound
    return found[id]


@customer.get("/categories", summary="List categories")
async def browse_categories(actor: Visitor, session: Reading) -> Page[CategoryView]:
    """By position; at most 500, on one page. `GET /v1/mall/products?category=` shows what is in one."""
    return Page(items=await products.list_categories(session), next=None, count=None)


@admin.get("/categories", summary="List categories")
async def list_categories(actor: AnyStaff, session: Reading) -> Page[CategoryView]:
    """By position; at most 500, on one page."""
    return Page(items=await products.list_categories(session), next=None, count=None)


@admin.post("/categories", status_code=201, summary="Create a category")
async def create_category(body: CategoryCreate, actor: Headquarters, session: Tx) -> CategoryView:
    """It is shown to customers at once."""
    return await products.create_category(session, body)


@admin.put("/categories/{id}", summary="Change a category", responses=problems(NotFound, VersionConflict))
async def update_category(id: CategoryId, body: CategoryUpdate, actor: Headquarters, session: Tx) -> CategoryView:
    """Replaces name and position."""
    return await products.update_category(session, id, body)


@admin.get("/products", summary="List all products")
async def list_products(actor: AnyStaff, session: Reading, paging: PageQuery) -> Page[ProductAdminView]:
    """Newest first, also those off sale."""
    return await products.list_products(session, paging)


@admin.post("/products", status_code=201, summary="Create a product with its SKUs", responses=problems(NotFound))
async def create_product(body: ProductCreate, actor: Headquarters, session: Tx) -> ProductAdminView:
    """On sale at once unless `status` says otherwise; it is bought where a place has stock."""
    return await products.create_product(session, body)


@admin.get("/products/{id}", summary="Get a product", responses=problems(NotFound))
async def get_product(id: ProductId, actor: AnyStaff, session: Reading) -> ProductAdminView:
    """With every SKU, also those that are not sold."""
    return await products.get_product(session, id)


@admin.put("/products/{id}", summary="Change a product", responses=problems(NotFound, VersionConflict))
async def update_product(id: ProductId, body: ProductUpdate, actor: Headquarters, session: Tx) -> ProductAdminView:
    """Replaces it whole; SKUs have calls of their own."""
    return await products.update_product(session, id, body)


@admin.post("/skus", status_code=201, summary="Add a SKU to a product", responses=problems(NotFound))
async def add_sku(body: SkuCreate, actor: Headquarters, session: Tx) -> SkuView:
    """Sold where a place has stock of it."""
    return await products.add_sku(session, body)


@admin.get("/skus/{id}", summary="Get a SKU", responses=problems(NotFound))
async def get_sku(id: SkuId, actor: AnyStaff, session: Reading) -> SkuView:
    """With its list price; places may have prices of their own."""
    return await products.get_sku(session, id)


@admin.put("/skus/{id}", summary="Change a SKU", responses=problems(NotFound, VersionConflict))
async def update_sku(id: SkuId, body: SkuUpdate, actor: Headquarters, session: Tx) -> SkuView:
    """A new price holds for new orders; placed ones keep theirs."""
    return await products.update_sku(session, id, body)


@admin.get("/stock/{place}/{sku}", summary="Get the stock of a SKU at a place", responses=problems(NotFound))
async def get_stock(place: PlaceId, sku: SkuId, actor: CurrentStaff, session: Reading) -> StockView:
    """What is there, reserved and sold, and the price of the place where it has one."""
    return await stock.stock_at(session, actor, place, sku)


@admin.put(
    "/stock/{place}/{sku}",
    summary="Set stock and price at a place",
    responses=problems(NotFound, VersionConflict, OutOfStock),
)
async def set_stock(place: PlaceId, sku: SkuId, body: StockUpdate, actor: Managers, session: Tx) -> StockView:
    """`version: 0` makes the first record. Never below what unpaid orders have reserved."""
    return await stock.set_stock(session, actor, place, sku, body)
