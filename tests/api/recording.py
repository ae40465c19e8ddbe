"""Requests and replies of a run, kept as the document's examples: the first success of each operation, made to look the
same in every run."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.clock import rfc3339, utc_now
from app.core.ids import parse
from app.mall.orders.checkout import order_number
from app.processes import api as composition
from tests.architecture.surface import openapi, template_of

KEPT = Path(composition.__file__).parent / "examples.json"

_BEGAN = datetime.fromisoformat("2026-11-21T13:15:00+00:00")
_TYPEID = re.compile(r"(?<![a-z0-9])([a-z]{3})_([0-7][0-9a-hjkmnp-tv-z]{25})(?![0-9a-z])")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_HOST = re.compile(r"http://127\.0\.0\.1:\d+")
_DAY = re.compile(r"day:\d{4}-\d\d-\d\d")
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"

# What is random or secret, by the field that holds it.
_FIXED = {
    "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJraW5kIjoiY3VzdG9tZXIifQ.c2lnbmF0dXJl",
    "code": "0e3Xbd000hQK0T1nUR200xR3nV2Xbd0Q",
    "epoch": "5f2ad41c09be",
    "error": "RuntimeError: the certificate ran out",
    "from_at": "2026-11-20T16:00:00.000Z",
    "fingerprint": "8a3f0c55d1b24e7f9c6e2b7a1d0f4e83",
    "Idempotency-Key": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "job": "payments.send_refund",
    "merchant": "1900000001",
    "merchant_id": "1900000001",
    "nonceStr": "593bec0c930bf1afeb40b4a08c8fb242",
    "package": "prepay_id=wx211315000000000000000000000000000000",
    "password": "correct horse battery staple",
    "paySign": "oR9d8PuhnIc…",
    "refresh_token": "Jb0nTnA5b2w3mC1cV4yL8xq2Zr7sUu6tWvXyE9fGhIk",
    "stream": "01a21527-0f7a-7431-b0ed-d6ba04cb3754",
    "ticket": "Q2hhbmdlIG1lIGV2ZXJ5IHRpbWUh",
    "timeStamp": "1795266900",
    "to_at": "2026-11-21T16:00:00.000Z",
    "transaction_id": "4200002611202611211234567890",
    "url": "wss://live.example.com/v1/live/socket?ticket=Q2hhbmdlIG1lIGV2ZXJ5IHRpbWUh",
}


class Recorder:
    """In front of the app: passes everything on, and keeps the first success of each operation."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._began = utc_now()
        self.kept: dict[str, dict[str, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        content, reply = bytearray(), bytearray()
        status = 0

        async def received() -> Message:
            message = await receive()
            content.extend(message.get("body", b""))
            return message

        async def sent(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            reply.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, received, sent)
        if scope["type"] == "http" and status < 300:
            self._keep(Request(scope), bytes(content), status, bytes(reply))

    def _keep(self, request: Request, content: bytes, status: int, reply: bytes) -> None:
        template = template_of(request.url.path)
        operation = openapi()["paths"].get(template, {}).get(request.method.lower())
        if operation is None:
            return
        takes_json, gives_json = "requestBody" in operation, reply[:1] in (b"{", b"[")
        example = {
            "parameters": dict(_parameters(operation, str(template), request)),
            "request": json.loads(content) if content and takes_json else None,
            "status": str(status),
            "response": json.loads(reply) if gives_json else None,
        }
        before = self.kept.get(operation["operationId"])
        if before is None or _says_more(example, before):
            self.kept[operation["operationId"]] = example

    def examples(self) -> dict[str, Any]:
        """What was kept, by operation, without what differs from run to run."""
        look: dict[str, Any] = _Same(self._began).of(dict(sorted(self.kept.items())))
        return look


def _parameters(operation: dict[str, Any], template: str, request: Request) -> Iterator[tuple[str, Any]]:
    sent = dict(zip(template.split("/"), request.url.path.split("/"), strict=True))
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        where = {"path": {name: sent.get(f"{{{name}}}")}, "query": request.query_params, "header": request.headers}
        if (value := where[parameter["in"]].get(name)) is not None:
            kind = parameter["schema"].get("type")
            yield name, json.loads(value) if kind in ("integer", "boolean") else value


def _says_more(example: dict[str, Any], before: dict[str, Any]) -> bool:
    """A list with something in it says more than an empty one."""
    items = [
        (one["response"] or {}).get("items") if isinstance(one["response"], dict) else None for one in (example, before)
    ]
    return bool(items[0]) and items[1] == []


class _Same:
    """Replaces ids, moments and whatever is random, each by the same thing wherever it stands."""

    def __init__(self, began: datetime) -> None:
        self._suffixes: dict[str, str] = {}
        self._began = began

    def of(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            same = {key: self.of(inner, key) for key, inner in value.items()}
            if "number" in same:
                order = same["order"] if "order" in same else same["id"]
                same["number"] = order_number(parse("ord", order), _BEGAN)
            return same
        if isinstance(value, list):
            return [self.of(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        if name in _FIXED and not (name == "code" and len(value) < 16):  # short ones are people's own
            return _FIXED[name]
        value = _TYPEID.sub(lambda found: f"{found[1]}_{self._suffix(found[2])}", value)
        value = _MOMENT.sub(lambda found: self._moment(found[0]), value)
        value = _HOST.sub("https://api.example.com", value)
        return _DAY.sub(f"day:{_BEGAN:%Y-%m-%d}", value)

    def _suffix(self, suffix: str) -> str:
        number = len(self._suffixes)
        last = _DIGITS[number // 32 % 32] + _DIGITS[number % 32]
        return self._suffixes.setdefault(suffix, f"01h455vb4pex5vsknk084sn0{last}")

    def _moment(self, text: str) -> str:
        later_s = round((datetime.fromisoformat(text) - self._began).total_seconds() / 60) * 60
        return rfc3339(_BEGAN + timedelta(seconds=later_s))


def shape(value: Any) -> Any:
    """What kind of thing an example is, without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__
