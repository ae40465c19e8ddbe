"""Every setting, read from the environment as `SIYU_<NAME>` (or from a `.env` file in the working directory)."""

from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDER_SECRET = "development-only-secret-development-only"  # noqa: S105  refused outside development, see below


class ModuleSettings(BaseSettings):
    """What one module lets an operator set: a subclass in the module's `settings.py`, its variables behind a prefix of its
    own (`SIYU_ORDERS_…`), listed in its manifest."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)


M = TypeVar("M", bound=ModuleSettings)


class Settings(BaseSettings):
    """The configuration of one process. Immutable: a change is a restart."""

    model_config = SettingsConfigDict(env_prefix="SIYU_", env_file=".env", extra="ignore", frozen=True)

    environment: Literal["development", "test", "production"] = "development"
    data_dir: Path = Field(Path(".siyu"), description="embedded engines, simulator keys and run files live here")
    database_url: str | None = Field(None, description="postgresql://…; without it the embedded PostgreSQL is used")
    redis_url: str | None = Field(None, description="redis://…; without it the embedded Valkey is used")
    secret_key: SecretStr = Field(
        SecretStr(PLACEHOLDER_SECRET), description="signs access tokens; 32 characters or more"
    )
    field_key: SecretStr = Field(
        SecretStr(PLACEHOLDER_SECRET), description="encrypts phone numbers and addresses; several, separated by blanks"
    )

    public_url: str = Field("http://127.0.0.1:8000", description="where WeChat and customers reach the API")
    live_url: str = Field("ws://127.0.0.1:8001", description="where viewers reach the live gateway")
    live_api_url: str = Field("http://127.0.0.1:8000", description="where the live gateway reaches the API")
    allowed_origins: tuple[str, ...] = Field((), description="web origins that may call the API and open live sockets")
    host: str = "127.0.0.1"
    port: int = 8000
    live_port: int = 8001
    simulator_port: int = 8002
    log_format: Literal["console", "json"] = "console"
    log_level: str = "INFO"

    trusted_proxies: tuple[str, ...] = Field(
        ("127.0.0.1", "::1"),
        description="addresses or networks of your reverse proxies, whose X-Forwarded-For is believed",
    )
    api_workers: int = Field(1, ge=1, le=64, description="API processes that `siyu serve` starts")
    api_connections: int = Field(10, ge=2, description="database connections of one API process")
    worker_connections: int = Field(
        6,
        ge=3,
        description="database connections of one worker process; its listener and its job queue take up to four more",
    )
    rate_limits: bool = Field(True, description="off only for load tests")
    statement_timeout_ms: int = 15_000
    lock_timeout_ms: int = 8_000

    access_ttl_s: int = 30 * 60
    refresh_ttl_s: int = 30 * 24 * 3600

    wechat_api_base: str = "https://api.weixin.qq.com"
    wechat_pay_base: str = "https://api.mch.weixin.qq.com"
    wechat_timeout_s: float = 5.0
    wechat_appid: str = ""
    wechat_app_secret: SecretStr = SecretStr("")
    wechat_mchid: str = ""
    wechat_mch_serial: str = Field("", description="serial number of the merchant's API certificate")
    wechat_mch_private_key: SecretStr = Field(SecretStr(""), description="PEM, or a path to a PEM file")
    wechat_apiv3_key: SecretStr = Field(SecretStr(""), description="32 characters")
    wechat_pay_public_key: str = Field("", description="WeChat Pay's public key: PEM, or a path to a PEM file")
    wechat_pay_public_key_id: str = Field("", description="PUB_KEY_ID_…; the only serial whose signatures count")

    _modules: dict[type[ModuleSettings], ModuleSettings] = PrivateAttr(default_factory=dict)

    def of(self, kind: type[M]) -> M:
        """A module's own settings, as `settings.of(OrderSettings)`: read from the environment once."""
        found = self._modules.get(kind)
        if found is None:
            found = self._modules[kind] = kind()
        assert isinstance(found, kind)
        return found

    def with_modules(self, *modules: ModuleSettings) -> Self:
        """The same settings with these in place of what the environment says of their modules."""
        changed = self.model_copy()
        changed._modules = {**self._modules, **{type(module): module for module in modules}}
        return changed

    @field_validator("public_url", "live_url", "live_api_url", "wechat_api_base", "wechat_pay_base")
    @classmethod
    def _without_slash(cls, address: str) -> str:
        """Paths that begin with a slash are put behind it."""
        return address.rstrip("/")

    @model_validator(mode="after")
    def _no_placeholders_in_production(self) -> Self:
        field_keys = self.field_key.get_secret_value().split()
        if not field_keys:
            raise ValueError("SIYU_FIELD_KEY is blank")
        if self.environment != "production":
            return self
        secret = self.secret_key.get_secret_value().strip()
        for name, keys in (("secret_key", [secret]), ("field_key", field_keys)):
            if any(key == PLACEHOLDER_SECRET or len(key) < 32 for key in keys):
                raise ValueError(f"SIYU_{name.upper()} must be set to 32 secret characters or more in production")
        for name, scheme in (("public_url", "https://"), ("live_url", "wss://")):
            if not getattr(self, name).startswith(scheme):
                raise ValueError(
                    f"SIYU_{name.upper()} must begin with {scheme} in production: WeChat takes nothing else"
                )
        if not self.rate_limits:
            raise ValueError("SIYU_RATE_LIMITS is off only for load tests, never in production")
        missing = [
            f"SIYU_{name.upper()}"
            for name in (
                "database_url",
                "redis_url",
                "wechat_appid",
                "wechat_app_secret",
                "wechat_mchid",
                "wechat_mch_serial",
                "wechat_mch_private_key",
                "wechat_apiv3_key",
                "wechat_pay_public_key",
                "wechat_pay_public_key_id",
            )
            if not _filled(getattr(self, name))
        ]
        if missing:
            raise ValueError("production needs " + ", ".join(missing))
        return self


def _filled(value: object) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)
