"""Prices, pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One SKU at its price. Discounts will stand between `goods_fen` and `goods_paid_fen`."""

    sku_id: UUID
    product_id: UUID
    title: str
    sku_title: str
    picture: str | None
    quantity: int
    list_fen: int
    available: int

    @property
    def goods_fen(self) -> int:
        return self.list_fen * self.quantity

    @property
    def goods_paid_fen(self) -> int:
        return self.goods_fen


@dataclass(frozen=True, slots=True)
class Price:
    """The whole of a quote; `payable = goods − discount + freight`."""

    lines: Sequence[PricedLine]
    freight_fen: int

    @property
    def goods_fen(self) -> int:
        return sum(line.goods_fen for line in self.lines)

    @property
    def discount_fen(self) -> int:
        return sum(line.goods_fen - line.goods_paid_fen for line in self.lines)

    @property
    def payable_fen(self) -> int:
        return self.goods_fen - self.discount_fen + self.freight_fen
