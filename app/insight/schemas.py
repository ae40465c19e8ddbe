"""Views of insight."""

from pydantic import Field

from app.attribution import Reason
from app.core.ids import CommissionId, DistributorId, OrderId, OrderLineId, RoomId, StaffId, StoreId, TouchpointId
from app.core.schemas import At, View
from app.distribution import CommissionStatus
from app.mall.orders import OrderStatus


class CommissionEarned(View):
    """What a distributor earned on the line so far: `net_fen` = `amount_fen` − `clawed_back_fen`."""

    id: CommissionId
    level: int
    rate_bps: int
    amount_fen: int
    clawed_back_fen: int
    net_fen: int
    status: CommissionStatus


class CreditedDistributor(View):
    """The distributor, or their upline. `earned` is null when the terms gave nothing, or not yet. The name is masked."""

    id: DistributorId
    name: str | None = Field(examples=["L**"])
    earned: CommissionEarned | None


class PerformanceEarned(View):
    """A party's part of the line's performance: `net_fen` = `sales_fen` − `refunds_fen`."""

    sales_fen: int
    refunds_fen: int
    net_fen: int


class CreditedGuide(View):
    """The guide, with their own part of the line's performance."""

    id: StaffId
    name: str | None
    performance: PerformanceEarned


class CreditedStore(View):
    """The store, with its own part of the line's performance."""

    id: StoreId
    name: str | None
    performance: PerformanceEarned


class LineAttribution(View):
    """One line: each party, why they won (or why nobody did), and what they earned so far. `touchpoint` is the link by
    which the distributor won (null where a bond did), `guide_touchpoint` what the guide won by, `room_touchpoint` what the
    live room was entered by; `inviting_store` is the store that first brought the buyer to the brand."""

    line: OrderLineId
    distributor: CreditedDistributor | None
    upline: CreditedDistributor | None
    distributor_reason: Reason
    guide: CreditedGuide | None
    guide_reason: Reason
    store: CreditedStore
    store_reason: Reason
    room: RoomId | None
    room_reason: Reason
    touchpoint: TouchpointId | None
    guide_touchpoint: TouchpointId | None
    room_touchpoint: TouchpointId | None
    inviting_store: StoreId | None
    decided_at: At


class OrderAttribution(View):
    """An order and the credit of its lines. Earnings follow payment within seconds, from the event log."""

    order: OrderId
    number: str
    status: OrderStatus
    goods_fen: int
    paid_fen: int
    refunded_fen: int
    placed_at: At
    lines: list[LineAttribution]
