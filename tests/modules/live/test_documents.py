"""The published documents say what the code does."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import httpx
import jsonschema_rs
import msgspec

from app.live import asyncapi, frames
from app.live.errors import LiveUnavailable, OriginRefused, TicketRefused, UpgradeRequired

PAGE = Path(__file__).resolve().parents[3] / "docs" / "live-socket.md"


class _Numbered(msgspec.Struct, forbid_unknown_fields=True):
    stream: str
    epoch: str
    seq: int
    events: list[msgspec.Raw]


_EVENT: Any = msgspec.json.Decoder(
    frames.ChatSaid
    | frames.ViewersCounted
    | frames.LikesCounted
    | frames.ProductPinned
    | frames.ProductUnpinned
    | frames.OrderPaid
    | frames.TipPaid
    | frames.RoomStarted
    | frames.RoomEnded
    | frames.MemberMuted
)
_FRAME: Any = msgspec.json.Decoder(
    frames.Welcome
    | frames.Gap
    | frames.Resync
    | frames.Error
    | frames.Pong
    | frames.Bye
    | frames.Say
    | frames.Like
    | frames.Ping
)


def test_every_frame_on_the_page_is_one_that_the_code_knows() -> None:
    blocks = re.findall(r"```json\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 9
    for block in blocks:
        if block.startswith('{"stream"'):
            for event in msgspec.json.decode(block, type=_Numbered).events:
                assert msgspec.json.encode(_EVENT.decode(event)) == bytes(event)
        else:
            assert msgspec.json.encode(_FRAME.decode(block)).decode() == block


def table(heading: str) -> list[tuple[str, ...]]:
    """The rows of the page's table whose first column has this heading, cell by cell."""
    lines = PAGE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(tuple(cell.strip() for cell in line.strip("|").split(" | ")))
    return rows


def words(cell: str) -> list[str]:
    return re.findall(r"`([a-z_.]+)`", cell)


def test_the_page_has_a_row_for_every_frame() -> None:
    sent = {str(kind.__struct_config__.tag) for kind in get_args(frames.ServerFrame)}
    assert {words(row[0])[0] for row in table("frame | meaning") if '"events"' not in row[0]} == sent
    heard = {str(kind.__struct_config__.tag) for kind in get_args(frames.ClientFrame)}
    assert {words(row[0])[0] for row in table("frame | limits")} == heard


def test_the_page_names_every_event_with_its_fields() -> None:
    told = {tag: set(words(fields)) for kinds, fields, _ in table("type") for tag in words(kinds)}
    assert told == {str(kind.__struct_config__.tag): set(kind.__struct_fields__) for kind in frames.EVENTS}


def test_the_page_names_every_error_and_every_bye_with_its_close() -> None:
    assert {code for row in table("`error` code") for code in words(row[0])} == set(frames.ErrorCode)
    told: dict[str, tuple[int, bool]] = {}
    for codes, close, comes_back in table("`bye` code"):
        told |= {code: (int(close), comes_back.startswith("yes")) for code in words(codes)}
    assert told == dict(frames.CLOSES)
    assert set(frames.CLOSES) == set(frames.ByeCode)
    assert {int(code): why for code, why in table("close without a `bye`")} == frames.CLOSES_WITHOUT_BYE


def test_the_page_names_every_refusal_before_the_upgrade() -> None:
    told = {(int(status), words(code)[0]) for status, code, _ in table("status")}
    refusals = (TicketRefused, OriginRefused, UpgradeRequired, LiveUnavailable)
    assert told == {(refusal.status_code, refusal.code()) for refusal in refusals}


def test_asyncapi_lists_the_codes_and_requires_what_is_always_sent() -> None:
    document = asyncapi.asyncapi_document()
    schemas = document["components"]["schemas"]
    assert set(schemas["ErrorCode"]["enum"]) == set(frames.ErrorCode)
    assert set(schemas["ByeCode"]["enum"]) == set(frames.ByeCode)
    assert {close["code"] for close in document["channels"]["room"]["x-close-codes"]} == {
        *(close.code for close in frames.CLOSES.values()),
        *frames.CLOSES_WITHOUT_BYE,
    }
    for kind in (*frames.EVENTS, *get_args(frames.ServerFrame), frames.StreamPosition):
        assert set(schemas[kind.__name__]["required"]) >= set(kind.__struct_fields__)
    assert schemas["Like"]["required"] == ["type"], "a client may leave out what has a default"


async def test_the_socket_is_published_as_asyncapi_with_examples(api: httpx.AsyncClient) -> None:
    document = (await api.get("/asyncapi.json")).json()
    assert document == json.loads(json.dumps(asyncapi.asyncapi_document()))
    assert document["asyncapi"] == "3.0.0"
    messages = document["channels"]["room"]["messages"]
    assert {"welcome", "events", "gap", "resync", "error", "pong", "bye", "say", "like", "ping"} == set(messages)
    told = {event["type"] for event in messages["events"]["examples"][0]["payload"]["events"]}
    assert told == {str(kind.__struct_config__.tag) for kind in frames.EVENTS}


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi.asyncapi_document()
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))
    assert len(references) > 20
    for reference in references:
        place: Any = document
        for step in reference.split("/"):
            place = place[step]


def test_the_examples_are_what_their_schemas_say() -> None:
    document = asyncapi.asyncapi_document()
    for message in document["channels"]["room"]["messages"].values():
        schema = {**message["payload"], "components": document["components"]}
        for example in message["examples"]:
            jsonschema_rs.validate(schema, example["payload"])
