"""Bodies and views of orders."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from app.core.ids import (
    ChargeId,
    DistributorId,
    OrderId,
    OrderLineId,
    ProductId,
    RoomId,
    SkuId,
    StaffId,
    StoreId,
    TouchpointId,
)
from app.core.schemas import At, Body, PlainLines, View
from app.mall.catalog import StoreLabel
from app.mall.promotions import CouponReason, DiscountKind
from app.payments import PaymentView, RefundByItself


class OrderStatus(StrEnum):
    """unpaid → paid, unpaid → closed, and closed → paid when a late payment could be reserved again."""

    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"


class RefundTotal(StrEnum):
    """How much of what was paid is refunded, agreed refunds included."""

    NONE = "none"
    PART = "part"
    ALL = "all"


class CloseReason(StrEnum):
    """Who or what closed an unpaid order."""

    BUYER = "buyer"
    TIMEOUT = "timeout"


class FulfilmentKind(StrEnum):
    """How the goods reach the customer."""

    PICKUP = "pickup"


class Awaiting(StrEnum):
    """What an order waits for."""

    PAYMENT = "payment"
    FULFILMENT = "fulfilment"


class OrderAction(StrEnum):
    """What its buyer may ask for: the last segment of the call's address."""

    PAYMENT = "payment"
    CLOSE = "close"


class LineRequest(Body):
    """A SKU and how many of it."""

    sku: SkuId
    quantity: Annotated[int, Field(ge=1, le=999)]


class Pickup(Body):
    """The customer fetches the goods at the store."""

    kind: Literal[FulfilmentKind.PICKUP]


class QuoteCreate(Body):
    """What somebody wants to buy, where, and how it shall reach them."""

    store: StoreId
    lines: Annotated[list[LineRequest], Field(min_length=1, max_length=50)]
    fulfilment: Pickup


class OrderCreate(QuoteCreate):
    """A quote that is accepted: `expected_payable_fen` is what the buyer saw, `fingerprint` the quote's own."""

    expected_payable_fen: Annotated[int, Field(ge=0, le=100_000_000_000)]
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = Field(
        None, description="Of the quote: any change of its price trail is then `price_changed`, also at an equal sum."
    )
    remark: Annotated[str, Field(max_length=200), PlainLines] | None = None


class Discount(View):
    """One step of a line's price trail."""

    kind: DiscountKind
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
    """A coupon, and why it cannot be used here."""

    coupon: str
    reason: CouponReason | None


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
    fingerprint: str = Field(description="Changes with any part of the trail; send it back with the order.")
    server_now: At


class LineCreditView(View):
    """Who is credited for a line, frozen at checkout, and by which touchpoint each won."""

    distributor: DistributorId | None
    guide: StaffId | None
    store: StoreId
    room: RoomId | None
    touchpoint: TouchpointId | None


class LineView(View):
    """One SKU of an order. `credit` is for staff; customers get null."""

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
    credit: LineCreditView | None


class PaymentPart(StrEnum):
    """Which part of an order a charge pays."""

    FULL = "full"


class WechatReference(View):
    """What WeChat's order centre and customer service ask for."""

    transaction_id: str
    merchant_id: str
    merchant_trade_no: str


class OrderPaymentView(View):
    """A charge that paid the order or a part of it."""

    part: PaymentPart
    charge: ChargeId
    amount_fen: int
    wechat: WechatReference | None


class FulfilmentView(View):
    """How the goods reach the customer."""

    kind: FulfilmentKind


class OrderView(View):
    """An order. `awaiting` says what it waits for; `actions` what its buyer may ask for now, each the last segment of an
    address below the order's own; `payment` ends at `expires_at`. Staff get no actions here."""

    id: OrderId
    number: str
    status: OrderStatus
    refund_status: RefundTotal
    awaiting: Awaiting | None
    actions: list[OrderAction]
    store: StoreLabel
    lines: list[LineView]
    goods_fen: int
    freight_fen: int
    discount_fen: int
    payable_fen: int
    paid_fen: int
    refunded_fen: int
    fulfilment: FulfilmentView
    remark: str | None
    placed_at: At
    paid_at: At | None
    closed_at: At | None
    close_reason: CloseReason | None
    expires_at: At
    server_now: At
    payments: list[OrderPaymentView]
    refunds_by_itself: list[RefundByItself] = Field(
        description="Money that came late or twice, on its way back: no part of `paid_fen` or `refunded_fen`."
    )


class PlacedView(View):
    """A placed order; `payment` is null when nothing is to be paid any more."""

    order: OrderView
    payment: PaymentView | None
