"""What travels on the live socket, as types: events of a room's stream, frames of the server, frames of the client.

`asyncapi.py` builds the published document from these classes; `docs/live-socket.md` is the page for people. Field
order is the order on the wire, and `type` always comes first. All text is data: clients must never render it as HTML.
"""

from enum import StrEnum
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
from websockets.frames import CloseCode

TEXT_LIMIT = 200
CLIENT_ID_LIMIT = 64
LIKES_AT_ONCE = 20
FRAME_LIMIT_BYTES = 4096
STREAM = "room"
NULL = msgspec.Raw(b"null")


class ErrorCode(StrEnum):
    """Why a client frame was refused."""

    VALIDATION_FAILED = "validation_failed"
    RATE_LIMITED = "rate_limited"
    MUTED = "muted"
    LIVE_ROOM_ENDED = "live_room_ended"
    LIVE_UNAVAILABLE = "live_unavailable"


class ByeCode(StrEnum):
    """Why the gateway closes a socket."""

    RESTARTING = "restarting"
    TOO_SLOW = "too_slow"
    LIVE_UNAVAILABLE = "live_unavailable"
    REPLACED = "replaced"
    TOO_MANY_FRAMES = "too_many_frames"
    ROOM_ENDED = "room_ended"


class Close(NamedTuple):
    """How a socket is closed after its `bye`, and whether its client should come back."""

    code: CloseCode
    comes_back: bool


CLOSES = {
    ByeCode.RESTARTING: Close(CloseCode.SERVICE_RESTART, comes_back=True),
    ByeCode.TOO_SLOW: Close(CloseCode.TRY_AGAIN_LATER, comes_back=True),
    ByeCode.LIVE_UNAVAILABLE: Close(CloseCode.TRY_AGAIN_LATER, comes_back=True),
    ByeCode.REPLACED: Close(CloseCode.POLICY_VIOLATION, comes_back=False),
    ByeCode.TOO_MANY_FRAMES: Close(CloseCode.POLICY_VIOLATION, comes_back=False),
    ByeCode.ROOM_ENDED: Close(CloseCode.NORMAL_CLOSURE, comes_back=False),
}

CLOSES_WITHOUT_BYE = {
    CloseCode.PROTOCOL_ERROR: "a frame that breaks the WebSocket protocol",
    CloseCode.INVALID_DATA: "a text frame that is not UTF-8",
    CloseCode.MESSAGE_TOO_BIG: "a frame over 4 KB",
    CloseCode.INTERNAL_ERROR: "no answer to the server's pings within a minute, or a fault of ours",
}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a room's stream. Its number is its place in the frame: `seq` of the frame plus its index."""


class ChatSaid(Event, frozen=True, kw_only=True, tag="chat.said"):
    """Somebody spoke. `id` is the message's id as the speaker's client chose it, `name` is masked."""

    id: str
    customer: str
    name: str
    text: str
    at: str


class ViewersCounted(Event, frozen=True, kw_only=True, tag="viewers.counted"):
    """How many people watch now, over all gateways; at most every two seconds."""

    count: int


class LikesCounted(Event, frozen=True, kw_only=True, tag="likes.counted"):
    """All likes of the room so far; at most once a second."""

    count: int


class ProductPinned(Event, frozen=True, kw_only=True, tag="product.pinned"):
    """The host shows this product now. `card` has the shape of the snapshot's shelf items, or is null when the product is
    no longer on sale."""

    product: str
    card: msgspec.Raw
    at: str


class ProductUnpinned(Event, frozen=True, kw_only=True, tag="product.unpinned"):
    """No product is pinned any more."""

    product: str
    at: str


class OrderPaid(Event, frozen=True, kw_only=True, tag="order.paid"):
    """An order with this product was paid and is credited to the room. The name is masked; amounts are never told."""

    name: str
    product: str
    title: str
    quantity: int
    at: str


class TipPaid(Event, frozen=True, kw_only=True, tag="tip.paid"):
    """A tip was paid. `name` is masked; the amount is never told."""

    name: str
    message: str | None
    at: str


class RoomStarted(Event, frozen=True, kw_only=True, tag="room.started"):
    """The room is live."""

    at: str


class RoomEnded(Event, frozen=True, kw_only=True, tag="room.ended"):
    """The room has ended; the gateway sends `bye` a few seconds later."""

    at: str


class MemberMuted(Event, frozen=True, kw_only=True, tag="member.muted"):
    """This customer may not speak before `until`; a moment in the past lifts the mute."""

    customer: str
    until: str


EVENTS: tuple[type[Event], ...] = (
    ChatSaid,
    ViewersCounted,
    LikesCounted,
    ProductPinned,
    ProductUnpinned,
    OrderPaid,
    TipPaid,
    RoomStarted,
    RoomEnded,
    MemberMuted,
)


class StreamPosition(msgspec.Struct, frozen=True, kw_only=True):
    """How far a client has come in one stream: it now has everything up to and including `seq`."""

    stream: str = STREAM
    epoch: str
    seq: int


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag="welcome"):
    """The first frame. `room` is the snapshot of GET /v1/live/rooms/{id} (`me` null); null when resuming by `since`."""

    streams: tuple[StreamPosition, ...]
    room: msgspec.Raw


class Gap(msgspec.Struct, frozen=True, kw_only=True, tag="gap"):
    """What was missed cannot be sent event by event: replace the room's state by `room` and continue after `seq`."""

    stream: str
    epoch: str
    seq: int
    room: msgspec.Raw


class Resync(msgspec.Struct, frozen=True, kw_only=True, tag="resync"):
    """Your connection was too slow and frames were left out; what you missed after `seq` follows."""

    stream: str
    epoch: str
    seq: int


class Error(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """One client frame was refused; `ref` is its `id` when it had one. The socket stays open."""

    code: ErrorCode
    ref: str | None
    retry_after_ms: int | None


class Pong(msgspec.Struct, frozen=True, kw_only=True, tag="pong"):
    """The answer to `ping`."""


class Bye(msgspec.Struct, frozen=True, kw_only=True, tag="bye"):
    """The gateway closes the socket. Reconnect after `retry_after_ms` with a new ticket; null means: do not reconnect."""

    code: ByeCode
    retry_after_ms: int | None


class Say(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="say"):
    """Say something. A customer's message is published once per `id` within two minutes: when in doubt, send it again under
    the same `id`, on this socket or another."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=CLIENT_ID_LIMIT)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_LIMIT)]


class Like(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="like"):
    """Like the room `count` times (1 to 20), all taps since the last such frame."""

    count: Annotated[int, msgspec.Meta(ge=1, le=LIKES_AT_ONCE)] = 1


class Ping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ping"):
    """Ask for a `pong`: for clients that cannot send WebSocket pings."""


ServerFrame: TypeAlias = Welcome | Gap | Resync | Error | Pong | Bye
ClientFrame: TypeAlias = Say | Like | Ping

_encoder = msgspec.json.Encoder()
_client_decoder: msgspec.json.Decoder[Say | Like | Ping] = msgspec.json.Decoder(Say | Like | Ping)


def encode(frame: ServerFrame | Event) -> bytes:
    """Compact JSON, `type` first."""
    return _encoder.encode(frame)


def decode_client(text: str | bytes) -> ClientFrame:
    """A client's frame. Raises msgspec.DecodeError (ValidationError is one) for whatever is not documented."""
    return _client_decoder.decode(text)


def type_prefix(event: type[Event]) -> bytes:
    """How an encoded event of this type begins: tells the type without decoding."""
    return b'{"type":"' + str(event.__struct_config__.tag).encode() + b'"'


def numbered(epoch: str, seq: int, events: list[bytes]) -> bytes:
    """The frame of the events `seq`, `seq + 1`, …, each already encoded."""
    return b'{"stream":"%b","epoch":"%b","seq":%d,"events":[%b]}' % (
        STREAM.encode(),
        epoch.encode(),
        seq,
        b",".join(events),
    )
