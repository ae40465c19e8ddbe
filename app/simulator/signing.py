"""The platform's side of APIv3 signatures: verifying a merchant's request, signing replies and notifications.

Outside rules: pay.weixin.qq.com, APIv3 "request signature" and "reply signature". Timestamps are real time always, also
after the simulator's clock was moved.
"""

import re
import secrets
import time
from base64 import b64decode, b64encode
from binascii import Error as Base64Error

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from app.simulator.keys import SimulatorKeys
from app.wechat import signatures

_FIELD = re.compile(r'([a-z_]+)="([^"]*)"')
_FIELDS = {"mchid", "nonce_str", "timestamp", "serial_no", "signature"}


def request_fault(keys: SimulatorKeys, *, authorization: str, method: str, target: str, body: bytes) -> str | None:
    """What is wrong with a request's signature, or None; `target` is path and query exactly as sent."""
    scheme, _, rest = authorization.partition(" ")
    if scheme != signatures.SIGNATURE_TYPE:
        return "the authorization scheme is not " + signatures.SIGNATURE_TYPE
    fields = dict(_FIELD.findall(rest))
    if fields.keys() != _FIELDS:
        return "the authorization must have " + ", ".join(sorted(_FIELDS))
    if fields["mchid"] != keys.mchid:
        return "unknown mchid"
    if fields["serial_no"] != keys.merchant_serial:
        return "unknown serial_no of the merchant certificate"
    if not signatures.is_fresh(fields["timestamp"]):
        return "the timestamp is more than 5 minutes away"
    text = signatures.request_text(
        method=method, target=target, timestamp=fields["timestamp"], nonce=fields["nonce_str"], body=body
    )
    try:
        signature = b64decode(fields["signature"], validate=True)
        keys.merchant_public_key.verify(signature, text, PKCS1v15(), SHA256())
    except (InvalidSignature, Base64Error):
        return "sign not match"
    return None


def signed_headers(keys: SimulatorKeys, body: bytes) -> dict[str, str]:
    """The headers of a genuine reply or notification with exactly this body."""
    timestamp = str(int(time.time()))
    nonce = secrets.token_hex(16)
    signature = _sign(keys.platform_private_key, signatures.reply_text(timestamp=timestamp, nonce=nonce, body=body))
    return _headers(timestamp=timestamp, nonce=nonce, serial=keys.public_key_id, signature=signature)


def forged_headers(keys: SimulatorKeys, body: bytes, *, turn: int) -> dict[str, str]:
    """Headers that must be refused: by turns a probe as WeChat sends it, a stranger's signature, a strange serial."""
    timestamp = str(int(time.time()))
    nonce = secrets.token_hex(16)
    serial = keys.public_key_id
    if turn % 3 == 0:
        signature = signatures.PROBE_PREFIX + b64encode(secrets.token_bytes(192)).decode()
    else:
        text = signatures.reply_text(timestamp=timestamp, nonce=nonce, body=body)
        signature = _sign(keys.stranger_private_key, text)
        serial = serial if turn % 3 == 1 else "PUB_KEY_ID_" + "9" * 32
    return _headers(timestamp=timestamp, nonce=nonce, serial=serial, signature=signature)


def _sign(key: RSAPrivateKey, text: bytes) -> str:
    return b64encode(key.sign(text, PKCS1v15(), SHA256())).decode()


def _headers(*, timestamp: str, nonce: str, serial: str, signature: str) -> dict[str, str]:
    return {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": signature,
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature-Type": signatures.SIGNATURE_TYPE,
    }
