"""The live socket as an AsyncAPI 3 document, built from the types in `frames.py`; examples included."""

from typing import Any

import msgspec

from app.live import frames
from app.live.schemas import RoomSnapshot, ShelfItem

_CUSTOMER = "cus_01h455vb4pex5vsknk084sn02q"
_PRODUCT = "prd_01h455vb4pex5vsknk084sn02q"
_AT = "2026-11-21T13:15:00.123Z"

_CARD = {"product": _PRODUCT, "title": "Linen shirt", "picture": None, "from_fen": 12_800}
_SNAPSHOT = {
    "id": "rom_01h455vb4pex5vsknk084sn02q",
    "epoch": "5f2ad41c09be",
    "seq": 1200,
    "title": "Saturday's new arrivals",
    "status": "live",
    "kind": "rtmp",
    "host": {"id": "stf_01h455vb4pex5vsknk084sn02q", "name": "Wang"},
    "store": {"id": "sto_01h455vb4pex5vsknk084sn02q", "name": "People's Square"},
    "play": None,
    "pinned": _CARD,
    "shelf": [_CARD],
    "counters": {"viewers": 873, "likes": 20_514},
    "messages": [],
    "me": None,
    "starts_at": None,
    "started_at": _AT,
    "server_now": _AT,
}


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


EVENT_EXAMPLES: list[frames.Event] = [
    frames.ChatSaid(id="c-17", customer=_CUSTOMER, name="L**", text="Does it come in blue?", at=_AT),
    frames.ViewersCounted(count=873),
    frames.LikesCounted(count=20_514),
    frames.ProductPinned(product=_PRODUCT, card=_raw(_CARD), at=_AT),
    frames.ProductUnpinned(product=_PRODUCT, at=_AT),
    frames.OrderPaid(name="L**", product=_PRODUCT, title="Linen shirt", quantity=2, at=_AT),
    frames.TipPaid(name="L**", message="Well shown!", at=_AT),
    frames.RoomStarted(at=_AT),
    frames.RoomEnded(at=_AT),
    frames.MemberMuted(customer=_CUSTOMER, until="2026-11-21T14:00:00.000Z"),
]

SERVER_EXAMPLES: list[frames.ServerFrame] = [
    frames.Welcome(streams=(frames.StreamPosition(epoch="5f2ad41c09be", seq=1200),), room=_raw(_SNAPSHOT)),
    frames.Gap(stream="room", epoch="5f2ad41c09be", seq=1300, room=_raw(_SNAPSHOT | {"seq": 1300})),
    frames.Resync(stream="room", epoch="5f2ad41c09be", seq=1250),
    frames.Error(code=frames.ErrorCode.RATE_LIMITED, ref="c-18", retry_after_ms=143),
    frames.Pong(),
    frames.Bye(code=frames.ByeCode.RESTARTING, retry_after_ms=2310),
]

CLIENT_EXAMPLES: list[frames.ClientFrame] = [
    frames.Say(id="c-17", text="Does it come in blue?"),
    frames.Like(count=3),
    frames.Ping(),
]

_DESCRIPTION = """
JSON text frames, compression off, at most 4 KB from the client. POST /v1/live/rooms/{id}/tickets answers the address; a
ticket opens one socket within 30 seconds. A missing, used or unknown one is refused before the upgrade with an HTTP
problem. After a lost connection create a new ticket and append `since=room:EPOCH:SEQ`: the socket then sends exactly what
was missed, or a `gap` with a snapshot. Keep `(epoch, seq)` and drop events whose number you have seen. All text is data,
never HTML.

What one person has in a room, whatever sockets they have: five messages a second and five at once, twenty taps a second and
a hundred at once (`rate_limited` beyond), three sockets (the oldest gets the bye `replaced`). One socket sends at most
twenty frames a second, forty at once.
"""


def _schemas(kinds: list[type]) -> dict[str, Any]:
    """Schemas of the frames; where they contain a reply of the HTTP API, that reply's own schema."""
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for name in components.keys() - {type(example).__name__ for example in CLIENT_EXAMPLES}:
        # Fields with a default are always sent.
        if "properties" in components[name]:
            components[name]["required"] = list(components[name]["properties"])
    for view in (RoomSnapshot, ShelfItem):
        schema = view.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
        components |= schema.pop("$defs", {}) | {view.__name__: schema}
    snapshot = {"$ref": "#/components/schemas/RoomSnapshot"}
    components["Gap"]["properties"]["room"] = snapshot
    components["Welcome"]["properties"]["room"] = {"anyOf": [snapshot, {"type": "null"}]}
    components["ProductPinned"]["properties"]["card"] = {
        "anyOf": [{"$ref": "#/components/schemas/ShelfItem"}, {"type": "null"}]
    }
    return components


def _message(example: Any, *, summary: str) -> dict[str, Any]:
    kind = type(example)
    return {
        "name": str(kind.__struct_config__.tag),
        "summary": summary,
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "examples": [{"payload": msgspec.json.decode(msgspec.json.encode(example))}],
    }


def _summary(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def _events_schema() -> dict[str, Any]:
    """The numbered frame is put together from encoded events, so its schema is written by hand."""
    return {
        "type": "object",
        "required": ["stream", "epoch", "seq", "events"],
        "properties": {
            "stream": {"const": frames.STREAM},
            "epoch": {"type": "string"},
            "seq": {"type": "integer", "minimum": 1, "description": "Number of the first event; the others follow."},
            "events": {
                "type": "array",
                "minItems": 1,
                "items": {"oneOf": [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in frames.EVENTS]},
            },
        },
    }


def _events_message() -> dict[str, Any]:
    example = frames.numbered("5f2ad41c09be", 1201, [frames.encode(event) for event in EVENT_EXAMPLES])
    return {
        "name": "events",
        "summary": "Events of the room, numbered from `seq`; one frame per tick, the same bytes for everyone.",
        "contentType": "application/json",
        "payload": {"$ref": "#/components/schemas/Events"},
        "examples": [{"payload": msgspec.json.decode(example)}],
    }


def asyncapi_document() -> dict[str, Any]:
    """The whole document, ready to be served as JSON."""
    to_client = {"events": _events_message()} | {
        str(type(example).__struct_config__.tag): _message(example, summary=_summary(type(example)))
        for example in SERVER_EXAMPLES
    }
    from_client = {
        str(type(example).__struct_config__.tag): _message(example, summary=_summary(type(example)))
        for example in CLIENT_EXAMPLES
    }
    kinds: list[type] = [type(example) for example in (*EVENT_EXAMPLES, *SERVER_EXAMPLES, *CLIENT_EXAMPLES)]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Siyu live socket", "version": "1.0.0", "description": _DESCRIPTION.strip()},
        "defaultContentType": "application/json",
        "channels": {
            "room": {
                "address": "/v1/live/socket",
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "query": {
                            "type": "object",
                            "required": ["ticket"],
                            "properties": {
                                "ticket": {"type": "string", "maxLength": 64},
                                "since": {"type": "string", "examples": ["room:5f2ad41c09be:1200"]},
                            },
                        },
                    }
                },
                "messages": to_client | from_client,
                "x-close-codes": _close_codes(),
            }
        },
        "operations": {
            "watch": _operation("send", to_client, "What the server sends."),
            "speak": _operation("receive", from_client, "What a viewer may send."),
        },
        "components": {"schemas": _schemas(kinds) | {"Events": _events_schema()}},
    }


def _close_codes() -> list[dict[str, Any]]:
    """What AsyncAPI cannot express: the close code after each `bye`, and those that come without one."""
    after_bye = [
        {"code": int(close.code), "bye": bye.value, "comes_back": close.comes_back}
        for bye, close in frames.CLOSES.items()
    ]
    without = [{"code": int(code), "bye": None, "why": why} for code, why in frames.CLOSES_WITHOUT_BYE.items()]
    return after_bye + without


def _operation(action: str, messages: dict[str, Any], summary: str) -> dict[str, Any]:
    """AsyncAPI 3 names actions from the application's side: the server sends what clients receive."""
    return {
        "action": action,
        "channel": {"$ref": "#/channels/room"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/room/messages/{name}"} for name in messages],
    }
