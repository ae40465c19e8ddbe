"""The protocols' common frame: read the raw request, apply an ordered fault, answer signed, and note the call.

Outside rules: every reply of APIv3 is signed over its exact bytes, a 204 over none.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.wechat.signatures import SERIAL_HEADER
from app.wechat.simulator.refusals import Refusal
from app.wechat.simulator.signing import request_fault, signed_headers
from app.wechat.simulator.state import Call, FaultKind, Simulator

MAX_BODY_BYTES = 64 * 1024


@dataclass(slots=True)
class Asked:
    """One request as a rule sees it. The rule writes down which charge it is about, for the list of calls."""

    simulator: Simulator
    path: dict[str, str]
    query: dict[str, str]
    raw: bytes
    out_trade_no: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


Rule = Callable[[Asked], dict[str, Any] | bytes | None]
Endpoint = Callable[[Request], Any]


class ReplyLost(httpx.ReadError):
    """The connection dies before the reply. It is httpx's own error so that a client in the same process sees it too."""


class LostReply(Response):
    """Begins a reply and dies: the effect has happened, and the client cannot know."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]})
        raise ReplyLost("the simulator lost the reply")


class NoReply(Response):
    """Says nothing until the client gives up."""

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def pay_endpoint(rule: Rule) -> Endpoint:
    """`rule` behind APIv3: signature in, signed JSON out. None answers 204; a Refusal answers its error body."""

    async def endpoint(request: Request) -> Response:
        asked = await _asked(request)
        return _answered(
            request, asked, lambda: _pay_response(request, asked, rule), refuse=partial(_pay_error, asked.simulator)
        )

    return endpoint


def mini_endpoint(rule: Rule) -> Endpoint:
    """`rule` behind the mini-program's server API: JSON with 200 always, or the bytes of an image."""

    async def endpoint(request: Request) -> Response:
        asked = await _asked(request)
        return _answered(request, asked, lambda: _mini_response(asked, rule), refuse=_mini_error)

    return endpoint


async def _asked(request: Request) -> Asked:
    path = dict(request.path_params)
    return Asked(
        simulator=request.app.state.simulator,
        path=path,
        out_trade_no=path.get("out_trade_no"),
        query=dict(request.query_params),
        raw=await request.body(),
    )


def _answered(
    request: Request,
    asked: Asked,
    respond: Callable[[], Response],
    *,
    refuse: Callable[[int, str], Response],
) -> Response:
    path: str = request.scope["path"]
    kind = _fault_for(asked.simulator, path)
    response: Response
    match kind:
        case "timeout":
            response = NoReply()
        case "drop_after":
            respond()
            response = LostReply()
        case "error_500":
            response = refuse(500, "SYSTEM_ERROR")
        case "too_fast":
            response = refuse(429, "FREQUENCY_LIMITED")
        case "not_enough":
            response = refuse(403, "NOT_ENOUGH")
        case None:
            response = respond()
    call = Call(
        at=datetime.now(UTC),
        direction="in",
        method=request.method,
        path=path,
        status=None if isinstance(response, LostReply | NoReply) else response.status_code,
        out_trade_no=asked.out_trade_no,
    )
    asked.simulator.calls.append(call)
    return response


def _fault_for(simulator: Simulator, path: str) -> FaultKind | None:
    for fault in simulator.faults:
        if path.startswith(fault.path_prefix):
            fault.times -= 1
            if fault.times == 0:
                simulator.faults.remove(fault)
            return fault.kind
    return None


def _pay_response(request: Request, asked: Asked, rule: Rule) -> Response:
    simulator = asked.simulator
    try:
        _check_request(request, asked)
        content = rule(asked)
    except Refusal as refusal:
        return _signed(simulator, refusal.status, _json(refusal.body))
    assert not isinstance(content, bytes)
    return _signed(simulator, 204, b"") if content is None else _signed(simulator, 200, _json(content))


def _check_request(request: Request, asked: Asked) -> None:
    if len(asked.raw) > MAX_BODY_BYTES:
        raise Refusal(400, "PARAM_ERROR", "请求体过大")
    query: bytes = request.scope["query_string"]
    target = request.scope["raw_path"] + (b"?" + query if query else b"")
    fault = request_fault(
        asked.simulator.keys,
        authorization=request.headers.get("authorization", ""),
        method=request.method,
        target=target.decode("ascii", "replace"),
        body=asked.raw,
    )
    if fault is not None:
        detail = {"field": "signature", "issue": fault, "location": "authorization"}
        raise Refusal(401, "SIGN_ERROR", "签名错误", detail)
    if request.headers.get(SERIAL_HEADER, asked.simulator.keys.public_key_id) != asked.simulator.keys.public_key_id:
        raise Refusal(400, "PARAM_ERROR", "平台公钥ID Wechatpay-Serial 错误")
    if asked.raw:
        asked.fields = _object(asked.raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(raw)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise Refusal(400, "PARAM_ERROR", "请求体须为JSON对象")
    return fields


def _mini_response(asked: Asked, rule: Rule) -> Response:
    if asked.raw:
        try:
            asked.fields = _object(asked.raw)
        except Refusal:
            return Response(_json({"errcode": 47001, "errmsg": "data format error"}), media_type="application/json")
    content = rule(asked)
    if isinstance(content, bytes):
        return Response(content, media_type="image/png")
    # WeChat answers a login as text/plain; a client must not rely on the type.
    media_type = "application/json" if asked.raw else "text/plain"
    return Response(_json(content), media_type=media_type)


def _pay_error(simulator: Simulator, status: int, code: str) -> Response:
    return _signed(simulator, status, _json({"code": code, "message": "模拟故障"}))


def _mini_error(status: int, code: str) -> Response:
    if status >= 500:
        return Response(b"Bad Gateway", status_code=502)
    return Response(_json({"errcode": -1, "errmsg": f"system error ({code})"}), media_type="application/json")


def _signed(simulator: Simulator, status: int, body: bytes) -> Response:
    headers = signed_headers(simulator.keys, body) | {"Request-ID": secrets.token_hex(12).upper()}
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _json(fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
