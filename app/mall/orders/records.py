"""Rows of orders, and the one lock of an order with its reader's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, Unpack
from uuid import UUID

import msgspec

from app import attribution
from app.core.auth import Actor, Role
from app.core.db import Listing, Session, Statement, within
from app.core.errors import NotFound
from app.mall.orders.schemas import CloseReason, FulfilmentKind, OrderStatus, RefundTotal
from app.mall.promotions import DiscountKind


class Fulfilment(msgspec.Struct, frozen=True):
    """How the goods reach the customer."""

    kind: FulfilmentKind


class DiscountRow(msgspec.Struct, frozen=True):
    """One step of a line's price trail."""

    kind: DiscountKind
    title: str
    amount_fen: int


class LineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `mall_order_line`."""

    id: UUID
    order_id: UUID
    sku_id: UUID
    product_id: UUID
    title: str
    sku_title: str
    picture: str | None
    quantity: int
    list_fen: int
    discounts: tuple[DiscountRow, ...] = ()
    goods_paid_fen: int
    refunded_fen: int = 0
    refunded_quantity: int = 0
    restocked_quantity: int = 0


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `mall_order`."""

    id: UUID
    number: str
    customer_id: UUID
    place_id: UUID
    book: str
    scope_path: str
    status: OrderStatus = OrderStatus.UNPAID
    refund_status: RefundTotal = RefundTotal.NONE
    fulfilment: Fulfilment
    goods_fen: int
    freight_fen: int
    discount_fen: int
    payable_fen: int
    paid_fen: int = 0
    refunded_fen: int = 0
    freight_refunded_fen: int = 0
    sent_back_fen: int = 0
    remark: str | None = None
    charge_id: UUID | None = None
    transaction_id: str | None = None
    mchid: str | None = None
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    close_reason: CloseReason | None = None


class _Read(OrderRow, frozen=True, kw_only=True):
    place_name: str
    now: datetime


class _ReadWhole(_Read, frozen=True, kw_only=True):
    lines: tuple[LineRow, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its lines and the name of its place, as they stood at `now` by the database's clock."""

    row: OrderRow
    lines: Sequence[LineRow]
    place_name: str
    now: datetime

    @property
    def id(self) -> UUID:
        return self.row.id

    @property
    def quantities(self) -> dict[UUID, int]:
        """SKU → units."""
        return {line.sku_id: line.quantity for line in self.lines}

    @property
    def is_payable(self) -> bool:
        """Whether it still waits for its payment."""
        return self.row.status is OrderStatus.UNPAID and self.now < self.row.expires_at


_COLUMNS = ", ".join(f"o.{name}" for name in OrderRow.__struct_fields__)
_LINE_COLUMNS = ", ".join(LineRow.__struct_fields__)
_LINES_AS_JSON = "jsonb_build_object(" + ", ".join(f"'{n}', l.{n}" for n in LineRow.__struct_fields__) + ")"


class Reach(TypedDict, total=False):
    """Whose orders are read: a customer's, those credited to a guide, those within a scope; without any, all."""

    customer_id: UUID
    guide_id: UUID
    scope: str


REACH = {
    "customer_id": "o.customer_id = :customer_id",
    "scope": within("o.scope_path"),
    "guide_id": f"EXISTS (SELECT 1 FROM ({attribution.ORDERS_OF_GUIDE}) AS c WHERE c.order_id = o.id OFFSET 0)",
}
"""The conditions that say whose orders are read; `reach_of` gives their values. OFFSET 0 keeps the planner from reading all
that a guide was ever credited for."""

_READ = f"SELECT {_COLUMNS}, p.name AS place_name, clock_timestamp() AS now"
_READ_WHOLE = f"""{_READ},
               (SELECT jsonb_agg({_LINES_AS_JSON} ORDER BY l.id) FROM mall_order_line l WHERE l.order_id = o.id) AS lines"""
_FROM = "FROM mall_order o JOIN mall_place p ON p.id = o.place_id"
_BY_STATUS = {"status": "o.status = :status", "after": "o.id < :after"}

_LOCK = Listing(
    f"{_READ} {_FROM} WHERE o.id = :order_id AND {{filters}} FOR UPDATE OF o", _Read, filters=REACH, custom_plan=False
)
_LINES = Statement(f"SELECT {_LINE_COLUMNS} FROM mall_order_line WHERE order_id = :order_id ORDER BY id", LineRow)
_ONE = Listing(
    f"{_READ_WHOLE} {_FROM} WHERE o.id = :order_id AND {{filters}}", _ReadWhole, filters=REACH, custom_plan=False
)
_NEWEST_FIRST = f"{_READ_WHOLE} {_FROM} WHERE {{filters}} ORDER BY o.id DESC LIMIT :limit"
_ORDERS = Listing(_NEWEST_FIRST, _ReadWhole, filters={**REACH, **_BY_STATUS})
_CLOSED_OF_GUIDE = Listing(
    _NEWEST_FIRST, _ReadWhole, filters={"guide_id": f"o.id IN ({attribution.ORDERS_OF_GUIDE})", **_BY_STATUS}
)
# OFFSET 0 keeps the planner from reading all orders in the order of their ids until a page of the guide's has come by.
_OF_GUIDE = Listing(
    f"""{_READ_WHOLE}
        FROM (SELECT DISTINCT order_id FROM ({attribution.ORDERS_OF_GUIDE}) AS credited ORDER BY order_id DESC) AS own
        CROSS JOIN LATERAL (
            SELECT {", ".join(OrderRow.__struct_fields__)} FROM mall_order WHERE id = own.order_id OFFSET 0
        ) AS o
        JOIN mall_place p ON p.id = o.place_id
        WHERE {{filters}} ORDER BY own.order_id DESC LIMIT :limit""",
    _ReadWhole,
    filters={"status": "o.status = :status", "after": "own.order_id < :after"},
)


def listing_of(reach: Reach, status: OrderStatus | None = None) -> Listing[_ReadWhole]:
    """Orders within a reach, newest first.

    A guide's are found by their credit, since theirs may be few among millions; unpaid ones by their status, since those
    are few anywhere; closed ones by whichever are fewer, theirs or the closed ones.
    """
    if "guide_id" not in reach or status is OrderStatus.UNPAID:
        return _ORDERS
    return _CLOSED_OF_GUIDE if status is OrderStatus.CLOSED else _OF_GUIDE


def reach_of(actor: Actor) -> Reach:
    """What a staff member reaches: managers and above what was sold within their path, guides what they are credited for,
    wherever it was sold."""
    return {"guide_id": actor.id} if actor.role is Role.GUIDE else {"scope": actor.scope}


async def lock(session: Session, order_id: UUID, **reach: Unpack[Reach]) -> Order:
    """Lock the order's row: first in the one lock order. `reach` says whose it must be (`customer_id=…`, or
    `**reach_of(actor)`); nothing is the system itself. Raises NotFound."""
    row = await _LOCK.first(session, order_id=order_id, **reach)
    if row is None:
        raise NotFound
    # Read by a statement of its own: they may have changed while this one waited for the row.
    return Order(row, await _LINES.all(session, order_id=order_id), row.place_name, row.now)


async def read(session: Session, order_id: UUID, **reach: Unpack[Reach]) -> Order:
    """The order as it is committed, for a reader within reach. Raises NotFound."""
    row = await _ONE.first(session, order_id=order_id, **reach)
    if row is None:
        raise NotFound
    return whole(row)


def whole(row: _ReadWhole) -> Order:
    """A row of a list of orders with its lines."""
    return Order(row, row.lines, row.place_name, row.now)
