"""The simulator's keys and numbers: made once per folder, never anybody's real ones."""

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from app.core.settings import Settings

RSA_BITS = 2048
KEYS_FILE = "keys.json"
_LOCK_FILE = "keys.lock"


@dataclass(frozen=True, kw_only=True)
class SimulatorKeys:
    """Both sides of the wire: the merchant's key and numbers, and the platform's key pair that signs replies."""

    mchid: str
    appid: str
    app_secret: str = field(repr=False)
    apiv3_key: str = field(repr=False)
    merchant_serial: str
    merchant_private_pem: str = field(repr=False)
    public_key_id: str
    platform_private_pem: str = field(repr=False)

    @cached_property
    def merchant_private_key(self) -> RSAPrivateKey:
        return _load(self.merchant_private_pem)

    @cached_property
    def merchant_public_key(self) -> RSAPublicKey:
        return self.merchant_private_key.public_key()

    @cached_property
    def platform_private_key(self) -> RSAPrivateKey:
        return _load(self.platform_private_pem)

    @cached_property
    def platform_public_pem(self) -> str:
        key = self.platform_private_key.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @cached_property
    def stranger_private_key(self) -> RSAPrivateKey:
        """A key that nobody trusts, to sign forged notifications."""
        return generate_private_key(public_exponent=65537, key_size=RSA_BITS)


def make_keys() -> SimulatorKeys:
    """Fresh keys and numbers of the right shape; takes a fraction of a second."""
    mchid = f"16{secrets.randbelow(10**8):08d}"
    return SimulatorKeys(
        mchid=mchid,
        appid=f"wx{secrets.token_hex(8)}",
        app_secret=secrets.token_hex(16),
        apiv3_key=secrets.token_hex(16),
        merchant_serial=secrets.token_hex(20).upper(),
        merchant_private_pem=_new_pem(),
        public_key_id=f"PUB_KEY_ID_0{mchid}{secrets.randbelow(10**20):020d}",
        platform_private_pem=_new_pem(),
    )


def load_or_make(folder: Path) -> SimulatorKeys:
    """The keys kept in `folder`, made at the first call; any number of processes may call it at once.

    The file holds private keys and can be read by its owner only. Raises OSError, and ValueError or TypeError when
    the file was damaged by hand.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / KEYS_FILE
    with os.fdopen(os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _write(path, json.dumps(asdict(make_keys()), indent=1))
        return SimulatorKeys(**json.loads(path.read_text()))


def settings_for(settings: Settings, keys: SimulatorKeys, base_url: str) -> Settings:
    """A copy of `settings` that points at the simulator under `base_url` and holds its keys."""
    return settings.model_copy(
        update={
            "wechat_api_base": base_url,
            "wechat_pay_base": base_url,
            "wechat_appid": keys.appid,
            "wechat_app_secret": SecretStr(keys.app_secret),
            "wechat_mchid": keys.mchid,
            "wechat_mch_serial": keys.merchant_serial,
            "wechat_mch_private_key": SecretStr(keys.merchant_private_pem),
            "wechat_apiv3_key": SecretStr(keys.apiv3_key),
            "wechat_pay_public_key": keys.platform_public_pem,
            "wechat_pay_public_key_id": keys.public_key_id,
        }
    )


def _write(path: Path, text: str) -> None:
    """All or nothing: a reader never sees half a file, and the name appears only once it is on the disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _new_pem() -> str:
    key = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key
