"""Notifications: written once, encrypted, signed anew for each attempt, repeated until they are taken.

Outside rules: pay.weixin.qq.com, APIv3 "payment notification": a 200 or 204 within five seconds takes it; otherwise it
is sent again 15 times over 24 h 4 min, on the moved clock here.
"""

import asyncio
import json
import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.core.clock import CHINA
from app.simulator.signing import forged_headers, signed_headers
from app.simulator.state import Call, Simulator
from app.wechat import RefundState

RETRY_AFTER_S = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)
ANSWER_WITHIN_S = 5.0

_REFUND_SUMMARIES = {
    RefundState.SUCCESS: "退款成功",
    RefundState.ABNORMAL: "退款异常",
    RefundState.CLOSED: "退款关闭",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on its way to `url`."""

    url: str
    body: bytes
    out_trade_no: str


def payment_body(simulator: Simulator, transaction: dict[str, Any]) -> bytes:
    """The notification that this charge is paid."""
    return _body(
        simulator, event_type="TRANSACTION.SUCCESS", summary="支付成功", original_type="transaction", fields=transaction
    )


def refund_body(simulator: Simulator, refund: dict[str, Any], state: RefundState) -> bytes:
    """The notification that this refund reached `state`."""
    return _body(
        simulator,
        event_type=f"REFUND.{state}",
        summary=_REFUND_SUMMARIES[state],
        original_type="refund",
        fields=refund,
    )


def send(simulator: Simulator, delivery: Delivery, *, delay_s: float = 0.0, copies: int = 1, forged: int = 0) -> None:
    """Sends `forged` forgeries and then `copies` of the notification, each repeated until it is taken."""
    due_s = simulator.clock.now_s() + delay_s
    simulator.schedule.at(due_s, partial(_first, simulator, delivery, copies=copies, forged=forged))


async def _first(simulator: Simulator, delivery: Delivery, *, copies: int, forged: int) -> None:
    for turn in range(forged):
        headers = forged_headers(simulator.keys, delivery.body, turn=turn)
        status = await _post(simulator, delivery, headers)
        _record(simulator, delivery, status, attempt=1, forged=True)
    await asyncio.gather(*(_attempt(simulator, delivery, 1) for _ in range(copies)))


async def _attempt(simulator: Simulator, delivery: Delivery, attempt: int) -> None:
    async with simulator.deliveries_at_once:
        status = await _post(simulator, delivery, signed_headers(simulator.keys, delivery.body))
    _record(simulator, delivery, status, attempt=attempt)
    if status not in (200, 204) and attempt <= len(RETRY_AFTER_S):
        due_s = simulator.clock.now_s() + RETRY_AFTER_S[attempt - 1]
        simulator.schedule.at(due_s, partial(_attempt, simulator, delivery, attempt + 1))


async def _post(simulator: Simulator, delivery: Delivery, headers: dict[str, str]) -> int | None:
    sent = headers | {"Content-Type": "application/json", "User-Agent": "Mozilla/4.0"}
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            return await simulator.post(delivery.url, delivery.body, sent)
    except OSError:  # a timeout is one too
        return None


def _record(
    simulator: Simulator, delivery: Delivery, status: int | None, *, attempt: int, forged: bool = False
) -> None:
    call = Call(
        at=datetime.now(UTC),
        direction="out",
        method="POST",
        path=urlsplit(delivery.url).path,
        status=status,
        out_trade_no=delivery.out_trade_no,
        attempt=attempt,
        forged=forged,
    )
    simulator.calls.append(call)


def _body(simulator: Simulator, *, event_type: str, summary: str, original_type: str, fields: dict[str, Any]) -> bytes:
    # Twelve ASCII characters, used as they are: the protocol does not encode the nonce.
    nonce = secrets.token_hex(6)
    plain = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    sealed = AESGCM(simulator.keys.apiv3_key.encode()).encrypt(nonce.encode(), plain, original_type.encode())
    event = {
        "id": f"EV-{secrets.token_hex(8)}",
        "create_time": datetime.now(CHINA).isoformat(timespec="seconds"),
        "resource_type": "encrypt-resource",
        "event_type": event_type,
        "summary": summary,
        "resource": {
            "original_type": original_type,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": b64encode(sealed).decode(),
            "associated_data": original_type,
            "nonce": nonce,
        },
    }
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
