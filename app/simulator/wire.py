"""The protocols' common frame: read the raw request, apply an ordered fault, answer signed, and note the call.

Outside rules: every reply of APIv3 is signed over its exact bytes, a 204 over none.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.simulator.refusals import Refusal
from app.simulator.signing import request_fault, signed_headers
from app.simulator.state import Call, FaultKind, Simulator
from app.wechat import signatures

MAX_BODY_BYTES = 64 * 1024


@dataclass(slots=True)
class WireRequest:
    """One request as a rule sees it. The rule writes down which charge it is about, for the list of calls."""

    simulator: Simulator
    method: str
    target: str
    """Path and query exactly as sent."""
    headers: Mapping[str, str]
    path: str
    parameters: dict[str, str]
    """Those in the path."""
    query: dict[str, str]
    raw: bytes
    out_trade_no: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)


Rule = Callable[[WireRequest], dict[str, Any] | bytes | None]
Endpoint = Callable[[Request], Any]


class ReplyLost(ConnectionError):
    """The connection dies before the reply; a client in the same process sees this very error."""


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

    async def endpoint(http: Request) -> Response:
        request = await _read(http)
        return _answered(request, lambda: _pay_response(request, rule), refuse=partial(_pay_error, request.simulator))

    return endpoint


def mini_endpoint(rule: Rule) -> Endpoint:
    """`rule` behind the mini-program's server API: JSON with 200 always, or the bytes of an image."""

    async def endpoint(http: Request) -> Response:
        request = await _read(http)
        return _answered(request, lambda: _mini_response(request, rule), refuse=_mini_error)

    return endpoint


async def _read(http: Request) -> WireRequest:
    parameters = dict(http.path_params)
    target, query = http.scope["raw_path"], http.scope["query_string"]
    return WireRequest(
        simulator=http.app.state.simulator,
        method=http.method,
        target=(target + b"?" + query if query else target).decode("ascii", "replace"),
        headers=http.headers,
        path=http.scope["path"],
        parameters=parameters,
        out_trade_no=parameters.get("out_trade_no"),
        query=dict(http.query_params),
        raw=await http.body(),
    )


def _answered(
    request: WireRequest, respond: Callable[[], Response], *, refuse: Callable[[int, str], Response]
) -> Response:
    kind = _fault_for(request.simulator, request.path)
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
        case "no_auth":
            response = refuse(403, "NO_AUTH")
        case "invalid_request":
            response = refuse(400, "INVALID_REQUEST")
        case None:
            response = respond()
    call = Call(
        at=datetime.now(UTC),
        direction="in",
        method=request.method,
        path=request.path,
        status=None if isinstance(response, LostReply | NoReply) else response.status_code,
        out_trade_no=request.out_trade_no,
    )
    request.simulator.calls.append(call)
    return response


def _fault_for(simulator: Simulator, path: str) -> FaultKind | None:
    for fault in simulator.faults:
        if path.startswith(fault.path_prefix):
            fault.times -= 1
            if fault.times == 0:
                simulator.faults.remove(fault)
            return fault.kind
    return None


def _pay_response(request: WireRequest, rule: Rule) -> Response:
    simulator = request.simulator
    try:
        _check(request)
        content = rule(request)
    except Refusal as refusal:
        return _signed(simulator, refusal.status, _json(refusal.body))
    assert not isinstance(content, bytes)
    return _signed(simulator, 204, b"") if content is None else _signed(simulator, 200, _json(content))


def _check(request: WireRequest) -> None:
    keys = request.simulator.keys
    if len(request.raw) > MAX_BODY_BYTES:
        raise Refusal(400, "PARAM_ERROR", "请求体过大")
    fault = request_fault(
        keys,
        authorization=request.headers.get("authorization", ""),
        method=request.method,
        target=request.target,
        body=request.raw,
    )
    if fault is not None:
        detail = {"field": "signature", "issue": fault, "location": "authorization"}
        raise Refusal(401, "SIGN_ERROR", "签名错误", detail)
    if request.headers.get(signatures.SERIAL_HEADER, keys.public_key_id) != keys.public_key_id:
        raise Refusal(400, "PARAM_ERROR", "平台公钥ID Wechatpay-Serial 错误")
    if request.raw:
        request.fields = _object(request.raw)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(raw)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise Refusal(400, "PARAM_ERROR", "请求体须为JSON对象")
    return fields


def _mini_response(request: WireRequest, rule: Rule) -> Response:
    if request.raw:
        try:
            request.fields = _object(request.raw)
        except Refusal:
            return Response(_json({"errcode": 47001, "errmsg": "data format error"}), media_type="application/json")
    content = rule(request)
    if isinstance(content, bytes):
        return Response(content, media_type="image/png")
    # WeChat answers a login as text/plain; a client must not rely on the type.
    media_type = "application/json" if request.raw else "text/plain"
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
