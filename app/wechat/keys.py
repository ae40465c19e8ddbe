"""Keys in settings: PEM text, or a path to a PEM file."""

from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from app.core.operator_errors import ConfigurationInvalid
from app.core.settings import Settings


def require_keys(settings: Settings) -> None:
    """Raises ConfigurationInvalid with every key of the merchant's that cannot be used."""
    faults = []
    if len(settings.wechat_apiv3_key.get_secret_value().encode()) != 32:
        faults.append("SIYU_WECHAT_APIV3_KEY must have 32 characters")
    if not settings.wechat_pay_public_key_id:
        faults.append("SIYU_WECHAT_PAY_PUBLIC_KEY_ID must be set")
    for name, value, read in (
        ("SIYU_WECHAT_MCH_PRIVATE_KEY", settings.wechat_mch_private_key.get_secret_value(), private_key_pem),
        ("SIYU_WECHAT_PAY_PUBLIC_KEY", settings.wechat_pay_public_key, public_key_pem),
    ):
        try:
            read(value)
        except (ValueError, OSError):  # their texts may quote the value
            faults.append(f"{name} must be a PEM, or the path to a PEM file")
    if faults:
        raise ConfigurationInvalid(faults)


def private_key_pem(value: str) -> str:
    """The private key in `value` as PKCS #8 PEM, the only form the SDK reads. Raises ValueError and OSError."""
    # The SDK loads the result again and checks it then; doing so twice costs a tenth of a second.
    key = load_pem_private_key(_pem(value), password=None, unsafe_skip_rsa_key_validation=True)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_key_pem(value: str) -> str:
    """The public key in `value` as PEM. Raises ValueError and OSError."""
    key = load_pem_public_key(_pem(value))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _pem(value: str) -> bytes:
    if "-----BEGIN" in value:
        # One line of an environment file holds a PEM with its line ends written out.
        return value.replace("\\n", "\n").strip().encode()
    if not value.strip():
        raise ValueError("a key is not set")
    return Path(value.strip()).expanduser().read_bytes()
