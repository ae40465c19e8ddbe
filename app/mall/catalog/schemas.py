"""Bodies and views of the catalog."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, HttpUrl, model_validator

from app.core.ids import CategoryId, PlaceId, ProductId, SkuId, StoreId
from app.core.schemas import Body, Plain, Version, View

Title = Annotated[str, Field(min_length=1, max_length=120), Plain]
ListFen = Annotated[int, Field(gt=0, le=100_000_000, description="List price in fen.", examples=[12_800])]


class ProductStatus(StrEnum):
    ON_SALE = "on_sale"
    OFF_SALE = "off_sale"


class SkuStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"


class ProductSort(StrEnum):
    NEWEST = "newest"


class StoreLabel(View):
    """A store by name."""

    id: StoreId
    name: str


class CategoryCreate(Body):
    name: Annotated[str, Field(min_length=1, max_length=40, examples=["茶叶"]), Plain]
    position: Annotated[int, Field(ge=0, le=100_000)] = 0


class CategoryUpdate(CategoryCreate):
    version: Version


class CategoryView(View):
    id: CategoryId
    name: str
    position: int
    version: int


class SkuCreate(Body):
    """A new SKU of a product."""

    product: ProductId
    title: Title
    list_fen: ListFen


class SkuUpdate(Body):
    title: Title
    list_fen: ListFen
    status: SkuStatus
    version: Version


class SkuView(View):
    id: SkuId
    product: ProductId
    title: str
    list_fen: int
    status: SkuStatus
    version: int


class NewSku(Body):
    """A SKU that is made together with its product."""

    title: Title
    list_fen: ListFen


class ProductCreate(Body):
    """A product with its SKUs. Give at least one."""

    title: Annotated[Title, Field(examples=["明前龙井 250g"])]
    description: Annotated[str, Field(max_length=10_000)] = ""
    pictures: Annotated[tuple[HttpUrl, ...], Field(max_length=20)] = ()
    category: CategoryId | None = None
    status: ProductStatus = ProductStatus.ON_SALE
    skus: Annotated[list[NewSku], Field(min_length=1, max_length=50)]


class ProductUpdate(Body):
    title: Title
    description: Annotated[str, Field(max_length=10_000)]
    pictures: Annotated[list[HttpUrl], Field(max_length=20)]
    category: CategoryId | None
    status: ProductStatus
    version: Version


class ProductAdminView(View):
    id: ProductId
    title: str
    description: str
    pictures: list[str]
    category: CategoryId | None
    status: ProductStatus
    version: int
    skus: list[SkuView]


class ShareTarget(View):
    """What `onShareAppMessage` needs. Ask `POST /v1/shares` for a link that credits the sharer."""

    path: str
    scene: str | None


class SkuOffer(View):
    """A SKU as it is sold at the place: its price there and how many can be bought now."""

    id: SkuId
    title: str
    list_fen: int
    available: int


class ProductCard(View):
    """A product as a shop shows it."""

    id: ProductId
    title: str
    description: str
    pictures: list[str]
    category: CategoryId | None
    from_fen: int = Field(description="The lowest price of its SKUs at the place.")
    skus: list[SkuOffer]
    share: ShareTarget


_MOST_UNITS = 2**31 - 1


class StockUpdate(Body):
    """How many units were counted at the place, and the place's own price, if it has one."""

    on_hand: Annotated[int, Field(ge=0, le=10_000_000)]
    sold: Annotated[
        int,
        Field(
            ge=0, le=_MOST_UNITS, description="As it stood when the units were counted: what was sold since is kept."
        ),
    ]
    own_list_fen: ListFen | None = Field(None, description="null: the SKU's list price holds here.")
    version: Annotated[int, Field(ge=0, le=2**31 - 1, description="0 when there is none yet.")]

    @model_validator(mode="after")
    def _nothing_sold_of_nothing(self) -> Self:
        if self.version == 0 and self.sold:
            raise ValueError("nothing was sold of what was not there yet")
        if self.on_hand + self.sold > _MOST_UNITS:
            raise ValueError(f"on_hand and sold are together at most {_MOST_UNITS}")
        return self


class StockView(View):
    """`available = on_hand − reserved`, `received = on_hand + sold`; `list_fen` is the price that holds at the place."""

    place: PlaceId
    sku: SkuId
    on_hand: int
    reserved: int
    sold: int
    received: int
    available: int
    list_fen: int
    own_list_fen: int | None
    version: int
