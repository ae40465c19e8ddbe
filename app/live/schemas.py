"""Bodies and views of live rooms."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app import payments
from app.core.ids import CustomerId, ProductId, RefundId, RoomId, StaffId, StoreId, TipId, TouchpointId
from app.core.schemas import At, Body, Moment, Plain, Version, View
from app.mall.catalog import StoreLabel

SHELF_LIMIT = 100
"""How many products a room offers at most."""


class RoomStatus(StrEnum):
    """scheduled → live ⇄ paused → ended."""

    SCHEDULED = "scheduled"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


class RoomKind(StrEnum):
    """Where the video comes from: a stream of ours, the mini-program's live plugin, or WeChat Channels."""

    RTMP = "rtmp"
    PLUGIN = "plugin"
    CHANNELS = "channels"


class TipStatus(StrEnum):
    """unpaid → paid, unpaid → closed, closed → refunded when the money lands late, paid → refunded by staff."""

    UNPAID = "unpaid"
    PAID = "paid"
    CLOSED = "closed"
    REFUNDED = "refunded"


class RoomCreate(Body):
    """A room of one store, hosted by whoever creates it. `start: true` goes live at once."""

    store: StoreId
    title: Annotated[str, Field(min_length=1, max_length=60, examples=["Saturday's new arrivals"]), Plain]
    starts_at: Annotated[Moment | None, Field(description="When it is announced to begin.")] = None
    start: Annotated[bool, Field(description="Go live at once.")] = False
    kind: RoomKind = RoomKind.RTMP


class PinUpdate(Body):
    """The product that the host shows now. It joins the shelf if it is not on it."""

    product: ProductId


class ShelfUpdate(Body):
    """The whole shelf in the host's order. Products left out leave it."""

    products: Annotated[list[ProductId], Field(max_length=SHELF_LIMIT)]
    version: Version


class MuteCreate(Body):
    """Until when a customer may not speak; a moment in the past lifts the mute."""

    customer: CustomerId
    until: Moment


class TipCreate(Body):
    """A tip of money for the host."""

    amount_fen: Annotated[int, Field(ge=1, le=5_000_000, examples=[1_000])]
    message: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=60,
                description="Shown in the room when the tip is paid, unless its sender is muted then.",
                examples=["Well shown!"],
            ),
            Plain,
        ]
        | None
    ) = None


class HostView(View):
    """Who speaks in a room, by name."""

    id: StaffId
    name: str


class RoomTouchpoint(View):
    """The room's own link: `path` for share cards, `scene` for codes."""

    id: TouchpointId
    path: str
    scene: str


class RoomCard(View):
    """A room in a list."""

    id: RoomId
    title: str
    status: RoomStatus
    kind: RoomKind
    store: StoreLabel
    host: HostView
    starts_at: At | None
    started_at: At | None
    ended_at: At | None


class StaffRoomView(RoomCard):
    """A room as its staff see it. `version` changes with status and shelf."""

    pinned: ProductId | None
    shelf: list[ProductId]
    touchpoint: RoomTouchpoint
    version: int


class MuteView(View):
    """A mute as it stands."""

    room: RoomId
    customer: CustomerId
    until: At


class ShelfItem(View):
    """A product on the shelf; GET /v1/mall/products/{id} has its SKUs."""

    product: ProductId
    title: str
    picture: str | None
    from_fen: int = Field(description="The lowest price of its SKUs at the room's store.")


class ChatMessage(View):
    """A message with its number in the stream."""

    seq: int
    id: str
    customer: str
    name: str
    text: str
    at: str


class RoomCounters(View):
    """What the gateways count; zeros while Redis does not answer."""

    viewers: int
    likes: int


class PlayView(View):
    """Where the video is played from. Null for rooms whose video WeChat itself shows, and before one is set up."""

    urls: list[str]
    expires_at: At


class RoomMe(View):
    """The caller's own standing in the room."""

    muted_until: At | None


class RoomSnapshot(View):
    """Everything that a screen shows at first. `(epoch, seq)` is the stream's position at which it was read: it contains
    the events up to `seq`. Both are null, and `messages` is empty, while Redis does not answer."""

    id: RoomId
    epoch: str | None
    seq: int | None
    title: str
    status: RoomStatus
    kind: RoomKind
    host: HostView
    store: StoreLabel
    play: PlayView | None
    pinned: ShelfItem | None
    shelf: list[ShelfItem]
    counters: RoomCounters
    messages: list[ChatMessage] = Field(description="The last 50, oldest first.")
    me: RoomMe | None = Field(
        description="Null before login, and in frames of the live socket, which are the same for everyone."
    )
    starts_at: At | None
    started_at: At | None
    server_now: At


class RoomMute(View):
    """A customer who may not speak before `until`."""

    customer: CustomerId
    until: At


class GatewaySnapshot(RoomSnapshot):
    """The snapshot with what a live gateway must also know and does not show to viewers: who is muted, as of `mutes_at`."""

    mutes: list[RoomMute]
    mutes_at: At


class TicketView(View):
    """Open `url` as a WebSocket within 30 seconds; the ticket works once."""

    ticket: str
    url: str
    expires_at: At
    server_now: At


class TipView(View):
    """A tip. Pass `payment.wechat_pay` to `wx.requestPayment`; `payment` is null when there is nothing to pay."""

    id: TipId
    room: RoomId
    status: TipStatus
    amount_fen: int
    message: str | None
    payment: payments.PaymentView | None
    expires_at: At
    server_now: At


class TipRefundCreate(Body):
    """Why a tip goes back, whole."""

    reason: Annotated[str, Field(min_length=1, max_length=80, examples=["未成年人打赏"]), Plain]


class StaffTipView(View):
    """A tip as staff see it. The parts are null until it is paid in time; `refund` is how its money goes back."""

    id: TipId
    room: RoomId
    customer: CustomerId
    name: str = Field(description="The customer's name, masked.", examples=["L**"])
    status: TipStatus
    amount_fen: int
    host_fen: int | None
    store_fen: int | None
    brand_fen: int | None
    message: str | None
    placed_at: At
    paid_at: At | None
    refund: RefundId | None
    refund_reason: str | None


class RoomReport(View):
    """What a room brought: paid orders credited to it and paid tips. Viewers, likes and chats are what the gateways
    counted."""

    room: RoomId
    status: RoomStatus
    viewers: int = Field(description="People now.")
    viewers_peak: int
    viewers_unique: int = Field(description="Customers who created a ticket.")
    likes: int
    chats: int
    orders: int
    paid_fen: int = Field(description="Goods paid in lines credited to the room, before refunds.")
    refunded_fen: int
    tips: int
    tips_fen: int = Field(description="Tips paid, before refunds.")
    tips_refunded_fen: int
    tips_host_fen: int = Field(description="The host's part of the tips that were kept.")
    tips_store_fen: int = Field(description="The store's part: a figure, unless the store is a legal entity.")
    started_at: At | None
    ended_at: At | None
