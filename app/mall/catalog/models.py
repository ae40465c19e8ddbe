"""Tables of the catalog."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, text


class Place(Table, table=True):
    """Where stock lies and orders are sold from. Opaque but for its scope path and seller; a store and its place have the
    same UUID."""

    __tablename__ = "mall_place"
    __table_args__ = (CheckConstraint("status IN ('open', 'closed')", name="status"),)

    id: UUID = Field(primary_key=True)
    name: str = text()
    scope_path: str = text()
    book: str = text()
    status: str = text()
    created_at: datetime = created_at()


class Category(Table, table=True):
    __tablename__ = "mall_category"

    id: UUID = Field(primary_key=True)
    name: str = text()
    position: int = 0
    version: int = 1


class Product(Table, table=True):
    """What a customer looks at. It is bought as one of its SKUs."""

    __tablename__ = "mall_product"
    __table_args__ = (CheckConstraint("status IN ('on_sale', 'off_sale')", name="status"),)

    id: UUID = Field(primary_key=True)
    title: str = text()
    description: str = text()
    pictures: list[str] = Field(sa_type=JSONB)
    category_id: UUID | None = Field(None, foreign_key="mall_category.id", index=True)
    status: str = text()
    version: int = 1
    created_at: datetime = created_at()


class Sku(Table, table=True):
    """One thing that can be counted and bought. `list_fen` holds everywhere unless a place has its own price."""

    __tablename__ = "mall_sku"
    __table_args__ = (
        CheckConstraint("list_fen > 0", name="list_positive"),
        CheckConstraint("status IN ('active', 'retired')", name="status"),
    )

    id: UUID = Field(primary_key=True)
    product_id: UUID = Field(foreign_key="mall_product.id", index=True)
    title: str = text()
    list_fen: int = fen()
    status: str = text()
    version: int = 1


class PlacePrice(Table, table=True):
    """A place's own list price."""

    __tablename__ = "mall_place_price"
    __table_args__ = (CheckConstraint("list_fen > 0", name="list_positive"),)

    place_id: UUID = Field(foreign_key="mall_place.id", primary_key=True)
    sku_id: UUID = Field(foreign_key="mall_sku.id", primary_key=True)
    list_fen: int = fen()


class Stock(Table, table=True):
    """Units of a SKU at a place: `received = on_hand + sold` always, `reserved` of the hand belong to unpaid orders."""

    __tablename__ = "mall_stock"
    __table_args__ = (
        CheckConstraint("reserved BETWEEN 0 AND on_hand", name="reserved_within_hand"),
        CheckConstraint("sold >= 0", name="sold_not_negative"),
        CheckConstraint("received = on_hand + sold", name="conserved"),
    )

    place_id: UUID = Field(foreign_key="mall_place.id", primary_key=True)
    sku_id: UUID = Field(foreign_key="mall_sku.id", primary_key=True)
    on_hand: int
    reserved: int = 0
    sold: int = 0
    received: int
    version: int = 1
