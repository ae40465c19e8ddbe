"""How a live gateway proves to the API that it is one: a keyed hash over the path and the time."""

import hashlib
import hmac
import time

from fastapi import Request

from app.core.errors import Unauthenticated
from app.core.runtime import Runtime
from app.core.settings import Settings

HEADER = "X-Siyu-Gateway"
_GOOD_FOR_S = 60


def _digest(settings: Settings, at: int, path: str) -> str:
    key = hmac.digest(settings.secret_key.get_secret_value().encode(), b"live gateway", "sha256")
    return hmac.new(key, f"{at}:{path}".encode(), hashlib.sha256).hexdigest()


def sign(settings: Settings, path: str) -> str:
    """The header's value for a request of `path`, valid for a minute."""
    at = int(time.time())
    return f"{at}.{_digest(settings, at, path)}"


class Gateway:
    """A policy: only a live gateway of this deployment. Raises Unauthenticated."""

    async def __call__(self, request: Request) -> None:
        runtime: Runtime = request.app.state.runtime
        at, _, digest = request.headers.get(HEADER, "").partition(".")
        fresh = at.isascii() and at.isdigit() and len(at) <= 12 and abs(time.time() - int(at)) <= _GOOD_FOR_S
        if not fresh or not hmac.compare_digest(
            digest.encode(), _digest(runtime.settings, int(at), request.url.path).encode()
        ):
            raise Unauthenticated


gateway = Gateway()
