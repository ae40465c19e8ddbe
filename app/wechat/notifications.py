"""Reading a WeChat Pay notification: serial, age, signature over the raw bytes, then decryption.

Outside rules: pay.weixin.qq.com, "payment notification" and "refund notification" of APIv3. WeChat sends wrongly signed
probes on purpose (signature prefix `WECHATPAY/SIGNTEST/`), so a refusal is part of normal work.
"""

from collections.abc import Mapping
from typing import Any

from app.wechat.errors import NotificationRefused, Untrusted
from app.wechat.replies import read_refund, read_transaction
from app.wechat.schemas import Notification
from app.wechat.signatures import (
    NONCE_HEADER,
    PROBE_PREFIX,
    SERIAL_HEADER,
    SIGNATURE_HEADER,
    SIGNATURE_TYPE,
    SIGNATURE_TYPE_HEADER,
    TIMESTAMP_HEADER,
    is_fresh,
)

_REQUIRED = (TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER, SERIAL_HEADER)


def read(sdk: Any, *, public_key_id: str, headers: Mapping[str, str], body: bytes) -> Notification:
    """The notification in `body`, believed. Raises NotificationRefused and nothing else.

    Header names may have any case; a missing signature type means the usual one.
    """
    trusted = _checked_headers(headers, public_key_id=public_key_id)
    try:
        event = sdk.callback(trusted, body)
    except Exception as error:
        # The SDK raises bare exceptions for text, ciphertext or algorithms it does not expect.
        raise NotificationRefused(reason=Untrusted.UNREADABLE) from error
    if event is None:
        probe = trusted[SIGNATURE_HEADER].startswith(PROBE_PREFIX)
        raise NotificationRefused(reason=Untrusted.PROBE if probe else Untrusted.SIGNATURE)
    try:
        return _read_event(event)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotificationRefused(reason=Untrusted.MALFORMED) from error


def _checked_headers(headers: Mapping[str, str], *, public_key_id: str) -> dict[str, str]:
    """Only the five headers that count, so that the SDK verifies the very values which were checked here.

    It would otherwise prefer headers spelled `HTTP_WECHATPAY_…`, and an old notification could be replayed beside
    a fresh timestamp.
    """
    given = {str(name).lower(): value for name, value in headers.items()}
    trusted = {}
    for name in _REQUIRED:
        value = given.get(name)
        if not isinstance(value, str) or not value:
            raise NotificationRefused(reason=Untrusted.HEADER_MISSING)
        trusted[name] = value
    trusted[SIGNATURE_TYPE_HEADER] = given.get(SIGNATURE_TYPE_HEADER) or SIGNATURE_TYPE
    if trusted[SIGNATURE_TYPE_HEADER] != SIGNATURE_TYPE:
        raise NotificationRefused(reason=Untrusted.SIGNATURE_TYPE)
    if trusted[SERIAL_HEADER] != public_key_id:
        raise NotificationRefused(reason=Untrusted.SERIAL)
    if not is_fresh(trusted[TIMESTAMP_HEADER]):
        raise NotificationRefused(reason=Untrusted.STALE)
    return trusted


def _read_event(event: Mapping[str, Any]) -> Notification:
    kind = str(event["event_type"])
    resource = event["resource"]
    transaction = read_transaction(resource) if kind.startswith("TRANSACTION.") else None
    refund = read_refund(resource) if kind.startswith("REFUND.") else None
    return Notification(
        id=str(event["id"]),
        event_type=kind,
        transaction=transaction,
        refund=refund,
        mchid=str(resource["mchid"]),
    )
