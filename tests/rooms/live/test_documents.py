"""The published documents say what the code does."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import msgspec

from app.live import asyncapi, frames

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


def test_the_page_names_every_event_error_and_bye() -> None:
    page = PAGE.read_text()
    for kind in frames.EVENTS:
        assert f"`{kind.__struct_config__.tag}`" in page
    from app.live.gateway import server

    for code in server._CLOSES:
        assert f"`{code}`" in page


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
