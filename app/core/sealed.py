"""Text that must not be read from a copy of the database: phone numbers and addresses.

Sealed is AES-256-GCM: an id of the key, a nonce, the ciphertext. `settings.field_key` may hold several secrets separated
by blanks: the first one seals, every one of them opens, so a key is changed by putting the new one in front.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.settings import Settings

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class Unsealable(RuntimeError):
    """The key that sealed this is not among the settings, or the bytes were changed: an operator must look."""


@dataclass(frozen=True, slots=True, repr=False)
class _Key:
    id: bytes
    cipher: bytes
    index: bytes


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"siyu " + purpose).derive(secret.encode())


@lru_cache(maxsize=16)
def _keys(secrets_text: str) -> tuple[_Key, ...]:
    return tuple(
        _Key(
            id=hashlib.sha256(_derive(secret, b"key id")).digest()[:_KEY_ID_BYTES],
            cipher=_derive(secret, b"field cipher"),
            index=_derive(secret, b"blind index"),
        )
        for secret in secrets_text.split()
    )


def _keys_of(settings: Settings) -> tuple[_Key, ...]:
    return _keys(settings.field_key.get_secret_value())


def seal(settings: Settings, text: str) -> bytes:
    """`text` encrypted; the same text seals differently each time."""
    key = _keys_of(settings)[0]
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return key.id + nonce + AESGCM(key.cipher).encrypt(nonce, text.encode(), key.id)


def unseal(settings: Settings, sealed: bytes) -> str:
    """What `seal` was given. Raises Unsealable."""
    key_id, rest = sealed[:_KEY_ID_BYTES], sealed[_KEY_ID_BYTES:]
    for key in _keys_of(settings):
        if key.id == key_id:
            try:
                return AESGCM(key.cipher).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], key_id).decode()
            except (InvalidTag, ValueError) as error:
                raise Unsealable("changed bytes") from error
    raise Unsealable("unknown key")


def blind_index(settings: Settings, text: str) -> bytes:
    """Equal for equal text under the newest key and useless without it: finds a sealed value without opening any."""
    return hmac.digest(_keys_of(settings)[0].index, text.encode(), "sha256")
