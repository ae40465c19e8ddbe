"""Errors of live rooms.

* NotFound 404
  + ShelfProductUnknown   a product that the room's store does not offer
* Conflict 409
  + LiveRoomEnded         the room is over
  + RoomNotLive           tips are for rooms that are live
  + TipsOff               this brand takes no tips
  + NotInRoom             tips are from people who entered the room
  + TipNotRefundable      the tip is not paid, or was refunded
  + TipNotPayable         the tip is paid or closed, or its time is over
  + ShelfFull             the shelf holds as many products as it can
* Unauthenticated 401
  + TicketRefused         the live ticket is missing, used, expired or unknown
* BadRequest 400
  + UpgradeRequired 426   not a WebSocket handshake
* Forbidden 403
  + OwnTip                the host's own account tips
  + OriginRefused         a web page that may not open live sockets
* Unprocessable 422
  + TipTooLarge           over the limit for one tip
* Unavailable 503
  + LiveUnavailable       Redis or the gateway does not answer; no money depends on either
"""

from typing import ClassVar

from app.core.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    ValidationFailed,
)
from app.core.ids import ProductId
from app.live.schemas import RoomStatus, TipStatus


class ShelfProductUnknown(NotFound):
    """`details.products` lists the ids that the room's store does not offer."""

    en = "The room's store does not offer this product."
    zh = "该门店未上架此商品。"
    products: list[ProductId]


class LiveRoomEnded(Conflict):
    """An ended room stays ended; open a new one."""

    en = "This live room has ended."
    zh = "直播间已结束。"


class RoomNotLive(Conflict):
    """`details.status` says what the room is instead."""

    en = "The room is not live ({status})."
    zh = "直播间当前未在直播（{status}）。"
    status: RoomStatus


class ShelfFull(Conflict):
    """`details.limit` is how many products a shelf may have; take one off first."""

    en = "The shelf already has {limit} products; take one off first."
    zh = "货架最多放 {limit} 件商品，请先下架一件。"
    limit: int


class TicketRefused(Unauthenticated):
    """A ticket opens one socket within 30 seconds; create a new one."""

    en = "The live ticket is missing, used or expired; create a new one."
    zh = "直播入场凭证缺失、已使用或已过期，请重新获取。"
    sends: ClassVar[dict[str, str]] = {}  # a socket does not log in with a bearer token


class UpgradeRequired(BadRequest):
    """The live socket takes WebSocket handshakes only. The ticket stays valid."""

    status_code = 426
    en = "This address opens WebSockets: send one `Upgrade: websocket`."
    zh = "该地址仅接受 WebSocket 连接（Upgrade: websocket）。"
    sends: ClassVar[dict[str, str]] = {"Upgrade": "websocket"}


class OriginRefused(Forbidden):
    """The page's origin is not among the allowed ones."""

    en = "This web origin may not open live sockets."
    zh = "该网页来源不允许建立直播连接。"


class TipsOff(Conflict):
    """Tips are switched off (SIYU_LIVE_TIPS)."""

    en = "Tips are not taken here."
    zh = "暂不支持打赏。"


class NotInRoom(Conflict):
    """Create a ticket first: tips are from people who have been in the room."""

    en = "Enter the room before you tip its host."
    zh = "请先进入直播间再打赏。"


class OwnTip(Forbidden):
    """Nobody tips themselves: the host's part would be their own money."""

    en = "A host cannot tip their own room."
    zh = "主播不能给自己的直播间打赏。"


class TipNotRefundable(Conflict):
    """`details.status` says what the tip is instead of paid."""

    en = "Only a paid tip can be refunded ({status})."
    zh = "仅已支付的打赏可退款（{status}）。"
    status: TipStatus


class TipNotPayable(Conflict):
    """The tip is paid or closed, or its time is over."""

    en = "This tip can no longer be paid."
    zh = "该打赏已无法支付。"


class TipTooLarge(Unprocessable):
    """`details.limit_fen` is the most that one tip may be."""

    en = "One tip may be at most {limit_fen} fen."
    zh = "单笔打赏不得超过 {limit_fen} 分。"
    limit_fen: int


class LiveUnavailable(Unavailable):
    """Redis or the gateway does not answer. Orders and tips go on."""

    en = "The live room cannot be reached right now. Try again."
    zh = "直播间暂时无法连接，请稍后再试。"


SOCKET_ERRORS = (
    LiveRoomEnded,
    LiveUnavailable,
    NotFound,
    OriginRefused,
    RateLimited,
    TicketRefused,
    UpgradeRequired,
    ValidationFailed,
)
"""What the live socket answers: before the upgrade as a problem, after it as the code of an `error` frame."""
