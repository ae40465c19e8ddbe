"""Passwords: argon2id, always off the event loop and never inside a transaction."""

import asyncio
import secrets
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher()


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    """What a password is compared with when nobody has that login, so that both cases take the same time."""
    return _HASHER.hash(secrets.token_urlsafe(16))


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


async def hash_password(password: str) -> str:
    """The hash to keep. Takes tens of milliseconds in a thread: call it before the transaction."""
    return await asyncio.to_thread(_HASHER.hash, password)


async def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed; None (nobody) never matches and takes as long."""
    return await asyncio.to_thread(_verify, password_hash, password)
