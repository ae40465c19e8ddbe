"""Views of insight."""

from pydantic import Field

from app.attribution import Reason
from app.core.http import View
from app.core.http.schemas import At
from app.core.ids import CommissionId, DistributorId, OrderId, OrderLineId, RoomId, StaffId, StoreId, TouchpointId
from app.distribution import CommissionStatus


class CommissionEarned(View):
    """What a distributor earned on the line so far: `net_fen` = `amount_fen` − `clawed_fen`."""

    id: CommissionId
    level: int
    rate_bps: int
    amount_fen: int
    clawed_fen: int
    net_fen: int
    status: CommissionStatus


class CreditedDistributor(View):
    """The distributor, or his upline. `earned` is null when the terms gave nothing, or not yet. The name is masked."""

    id: DistributorId
    name: str | None = Field(examples=["L**"])
    earned: CommissionEarned | None


class PerformanceEarned(View):
    """A party's part of the line's performance: `net_fen` = `sales_fen` − `refunds_fen`."""

    sales_fen: int
    refunds_fen: int
    net_fen: int


class CreditedGuide(View):
    id: StaffId
    name: str | None
    performance: PerformanceEarned


class CreditedStore(View):
    id: StoreId
    name: str | None
    performance: PerformanceEarned


class LineAttribution(View):
    """One line: each party, why it won (or why nobody did), and what it earned so far. `touchpoint` is the link by which
    the distributor won, `guide_touchpoint` what the guide won by (null where a bond did), `room_touchpoint` what the room was
    entered by."""

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
    decided_at: At


class OrderAttribution(View):
    """An order and the credit of its lines. Earnings follow payment within seconds, from the event log."""

    order: OrderId
    number: str
    status: str
    goods_fen: int
    paid_fen: int
    refunded_fen: int
    placed_at: At
    lines: list[LineAttribution]
