"""The names and the age rule of WeChat Pay's signatures, on replies and on notifications alike.

Outside rules: pay.weixin.qq.com, APIv3 "signature verification"; the five minutes are those of the official SDKs.
"""

import re
import time

MAX_AGE_S = 300
SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"
PROBE_PREFIX = "WECHATPAY/SIGNTEST/"

TIMESTAMP_HEADER = "wechatpay-timestamp"
NONCE_HEADER = "wechatpay-nonce"
SIGNATURE_HEADER = "wechatpay-signature"
SERIAL_HEADER = "wechatpay-serial"
SIGNATURE_TYPE_HEADER = "wechatpay-signature-type"

_TIMESTAMP = re.compile(r"[0-9]{1,11}")


def is_fresh(timestamp: str, *, now_s: float | None = None) -> bool:
    """Whether `timestamp` (Unix seconds as text) is within five minutes of now, in either direction.

    Anything that is not a plain number is not fresh.
    """
    if not _TIMESTAMP.fullmatch(timestamp):
        return False
    return abs((time.time() if now_s is None else now_s) - int(timestamp)) <= MAX_AGE_S


def reply_text(*, timestamp: str, nonce: str, body: bytes) -> bytes:
    """The bytes that WeChat signs under a reply or a notification."""
    return f"{timestamp}\n{nonce}\n".encode() + body + b"\n"


def request_text(*, method: str, target: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    """The bytes that a merchant signs for a request; `target` is path and query exactly as sent."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
