"""The catalog over HTTP: what customers see, and what headquarters keeps."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.core.auth import Actor, CurrentCustomer, CurrentStaff, headquarters, managers
from app.core.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed, VersionConflict
from app.core.http import Page, PageQuery, Plain, Tx, problems
from app.core.ids import CategoryId, PlaceId, ProductId, SkuId, StoreId
from app.mall.catalog import products, stock
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
from app.mall.errors import OutOfStock

customer = APIRouter(prefix="/v1/mall", tags=["mall"])
admin = APIRouter(prefix="/v1/admin/mall", tags=["mall: staff"])
routers = [customer, admin]

Headquarters = Annotated[Actor, Depends(headquarters)]
Managers = Annotated[Actor, Depends(managers)]
_READ = problems(Unauthenticated, NotFound, ValidationFailed)
_STAFF_READ = problems(Unauthenticated, Forbidden, NotFound, ValidationFailed)
_STAFF_EDIT = problems(Unauthenticated, Forbidden, NotFound, ValidationFailed, VersionConflict)


@customer.get("/products", summary="Products on sale at a store", responses=_READ)
async def list_cards(
    actor: CurrentCustomer,
    session: Tx,
    paging: PageQuery,
    store: Annotated[StoreId, Query(description="Whose prices and stock are shown.")],
    category: CategoryId | None = None,
    q: Annotated[
        str | None, Plain, Query(min_length=1, max_length=40, description="Words that the title holds, all of them.")
    ] = None,
    sort: ProductSort = ProductSort.NEWEST,
) -> Page[ProductCard]:
    """Newest first. Each card carries a `share` ready for `onShareAppMessage`."""
    items = await products.list_cards(
        session, store, category=category, words=q, after=paging.after_id("prd"), limit=paging.limit + 1
    )
    return paging.page("prd", items, [item.id for item in items])


@customer.get("/products/{id}", summary="One product at a store", responses=_READ)
async def get_card(
    id: ProductId,
    actor: CurrentCustomer,
    session: Tx,
    store: StoreId,
) -> ProductCard:
    """With the store's prices and the units that can be bought now."""
    found = await products.product_cards(session, store, [id])
    if id not in found:
        raise NotFound
    return found[id]


@customer.get("/categories", summary="All categories", responses=_READ)
async def list_own_categories(actor: CurrentCustomer, session: Tx) -> Page[CategoryView]:
    """By position; at most 500, on one page. `GET /v1/mall/products?category=` shows what is in one."""
    return Page(items=await products.list_categories(session), next=None)


@admin.get("/categories", summary="All categories", responses=_STAFF_READ)
async def list_categories(actor: CurrentStaff, session: Tx) -> Page[CategoryView]:
    """By position; at most 500, on one page."""
    return Page(items=await products.list_categories(session), next=None)


@admin.post("/categories", status_code=201, summary="A new category", responses=_STAFF_EDIT)
async def create_category(body: CategoryCreate, actor: Headquarters, session: Tx) -> CategoryView:
    return await products.create_category(session, body)


@admin.put("/categories/{id}", summary="Change a category", responses=_STAFF_EDIT)
async def update_category(id: CategoryId, body: CategoryUpdate, actor: Headquarters, session: Tx) -> CategoryView:
    return await products.update_category(session, id, body)


@admin.get("/products", summary="All products", responses=_STAFF_READ)
async def list_products(actor: CurrentStaff, session: Tx, paging: PageQuery) -> Page[ProductAdminView]:
    """Newest first, also those off sale."""
    items = await products.list_products(session, after=paging.after_id("prd"), limit=paging.limit + 1)
    return paging.page("prd", items, [item.id for item in items])


@admin.post("/products", status_code=201, summary="A new product with its SKUs", responses=_STAFF_EDIT)
async def create_product(body: ProductCreate, actor: Headquarters, session: Tx) -> ProductAdminView:
    return await products.create_product(session, body)


@admin.get("/products/{id}", summary="One product", responses=_STAFF_READ)
async def get_product(id: ProductId, actor: CurrentStaff, session: Tx) -> ProductAdminView:
    return await products.get_product(session, id)


@admin.put("/products/{id}", summary="Change a product", responses=_STAFF_EDIT)
async def update_product(id: ProductId, body: ProductUpdate, actor: Headquarters, session: Tx) -> ProductAdminView:
    return await products.update_product(session, id, body)


@admin.post("/skus", status_code=201, summary="A new SKU of a product", responses=_STAFF_EDIT)
async def add_sku(body: SkuCreate, actor: Headquarters, session: Tx) -> SkuView:
    return await products.add_sku(session, body)


@admin.get("/skus/{id}", summary="One SKU", responses=_STAFF_READ)
async def get_sku(id: SkuId, actor: CurrentStaff, session: Tx) -> SkuView:
    return await products.get_sku(session, id)


@admin.put("/skus/{id}", summary="Change a SKU", responses=_STAFF_EDIT)
async def update_sku(id: SkuId, body: SkuUpdate, actor: Headquarters, session: Tx) -> SkuView:
    """A new price holds for new orders; placed ones keep theirs."""
    return await products.update_sku(session, id, body)


@admin.get("/stock/{place}/{sku}", summary="Stock of a SKU at a place", responses=_STAFF_READ)
async def get_stock(place: PlaceId, sku: SkuId, actor: CurrentStaff, session: Tx) -> StockView:
    return await stock.stock_at(session, actor, place, sku)


@admin.put(
    "/stock/{place}/{sku}", summary="Set stock and price at a place", responses=_STAFF_EDIT | problems(OutOfStock)
)
async def set_stock(place: PlaceId, sku: SkuId, body: StockUpdate, actor: Managers, session: Tx) -> StockView:
    """`version: 0` makes the first record. Never below what unpaid orders have reserved."""
    return await stock.set_stock(session, actor, place, sku, body)
