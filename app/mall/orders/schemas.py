"""Bodies and views of orders."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from app.core.http import Body, Plain, PlainLines, View
from app.core.http.schemas import At
from app.core.ids import DistributorId, OrderId, OrderLineId, ProductId, RefundId, RoomId, SkuId, StaffId, StoreId
from app.payments import PaymentView


class OrderStatus(StrEnum):
    """unpaid → paid, unpaid → closed, and closed → paid when a late payment could be reserved again."""

    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"


class RefundTotal(StrEnum):
    NONE = "none"
    PART = "part"
    ALL = "all"


class LineAsked(Body):
    sku: SkuId
    quantity: Annotated[int, Field(ge=1, le=999)]


class Pickup(Body):
    """The customer fetches the goods at the store."""

    kind: Literal["pickup"]


class QuoteCreate(Body):
    """What somebody wants to buy, where, and how it shall reach him."""

    store: StoreId
    lines: Annotated[list[LineAsked], Field(min_length=1, max_length=50)]
    fulfilment: Pickup


class OrderCreate(QuoteCreate):
    """A quote that is accepted: `expected_payable_fen` is what the buyer saw."""

    expected_payable_fen: Annotated[int, Field(ge=0, le=100_000_000_000)]
    remark: Annotated[str, Field(max_length=200), PlainLines] | None = None


class Discount(View):
    """One step of a line's price trail."""

    kind: str
    title: str
    amount_fen: int


class QuoteLine(View):
    """One line of the price trail: list price × quantity − discounts = goods paid."""

    sku: SkuId
    product: ProductId
    title: str
    sku_title: str
    picture: str | None
    quantity: int
    list_fen: int
    goods_fen: int
    discounts: list[Discount]
    goods_paid_fen: int
    available: int


class CouponView(View):
    coupon: str
    reason: str | None


class QuoteView(View):
    """The price trail, line by line. `usable_coupons` and `unusable_coupons` are empty until coupons exist."""

    store: StoreId
    lines: list[QuoteLine]
    goods_fen: int
    freight_fen: int
    discount_fen: int
    payable_fen: int
    usable_coupons: list[CouponView]
    unusable_coupons: list[CouponView]
    server_now: At


class StoreLabel(View):
    id: StoreId
    name: str


class LineView(View):
    id: OrderLineId
    sku: SkuId
    product: ProductId
    title: str
    sku_title: str
    picture: str | None
    quantity: int
    list_fen: int
    discounts: list[Discount]
    goods_paid_fen: int
    refunded_fen: int
    refunded_quantity: int


class AttributionView(View):
    """Who is credited for the first line, frozen at checkout; headquarters reads the reasons."""

    distributor: DistributorId | None
    guide: StaffId | None
    store: StoreId | None
    room: RoomId | None


class WechatReference(View):
    """What WeChat's order centre and customer service ask for."""

    transaction_id: str
    merchant_id: str
    merchant_trade_no: str


class FulfilmentView(View):
    """How the goods reach the customer: he fetches them at the store."""

    kind: Literal["pickup"]


class OrderView(View):
    """An order. `awaiting` says whose turn it is; `actions` what the caller may ask for now: `pay` and `close` are its
    buyer's alone, and `pay` ends at `expires_at`."""

    id: OrderId
    number: str
    status: OrderStatus
    refund_status: RefundTotal
    awaiting: Literal["payment", "fulfilment"] | None
    actions: list[Literal["pay", "close"]]
    store: StoreLabel
    lines: list[LineView]
    goods_fen: int
    freight_fen: int
    discount_fen: int
    payable_fen: int
    paid_fen: int
    refunded_fen: int
    fulfilment: FulfilmentView
    attribution: AttributionView
    remark: str | None
    placed_at: At
    paid_at: At | None
    closed_at: At | None
    close_reason: str | None
    expires_at: At
    server_now: At
    wechat: WechatReference | None


class PlacedView(View):
    """One order per place and seller; `payment` is null when nothing is payable."""

    orders: list[OrderView]
    payment: PaymentView | None


class RefundStatus(StrEnum):
    AGREED = "agreed"
    PAID = "paid"
    STUCK = "stuck"


class RefundLineAsked(Body):
    """Give `quantity` (its share of what was paid, at most what is left of it) or `amount_fen`. Only a quantity can be
    restocked, also after its money was refunded by amount."""

    line: OrderLineId
    quantity: Annotated[int, Field(ge=1, le=999)] | None = None
    amount_fen: Annotated[int, Field(ge=1, le=100_000_000_000)] | None = None
    restock: bool = False


class RefundCreate(Body):
    lines: Annotated[list[RefundLineAsked], Field(max_length=50)]
    freight_fen: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    reason: Annotated[str, Field(min_length=1, max_length=80, examples=["破损"]), Plain]


class RefundLineView(View):
    line: OrderLineId
    quantity: int
    restocked_quantity: int
    amount_fen: int


class RefundView(View):
    """agreed → paid when WeChat has sent the money (at once when it comes to 0 and only restocks); stuck when it could or
    would not and somebody has to act at WeChat."""

    id: RefundId
    order: OrderId
    status: RefundStatus
    amount_fen: int
    freight_fen: int
    lines: list[RefundLineView]
    reason: str
    agreed_at: At
    paid_at: At | None


class OrderHead(View):
    """What rooms above need to know of an order."""

    id: OrderId
    number: str
    status: OrderStatus
    placed_at: At
    goods_fen: int
    paid_fen: int
    refunded_fen: int
