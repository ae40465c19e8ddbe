"""Every setting, read from the environment as `SIYU_<NAME>` (or from a `.env` file in the working directory)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.operator_errors import ConfigurationInvalid
from app.core.wording import wording

PLACEHOLDER_SECRET = "development-only-secret-development-only"  # noqa: S105  refused outside development, see below


class ModuleSettings(BaseSettings):
    """What one module lets an operator set: a subclass in the module's `settings.py`, its variables behind a prefix of its
    own (`SIYU_ORDERS_…`), listed in its manifest."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)


M = TypeVar("M", bound=ModuleSettings)

Port = Annotated[int, Field(ge=0, le=65_535)]
Texts = Annotated[tuple[str, ...], NoDecode]
"""Written as a JSON list."""

REQUIRED_IN_PRODUCTION = (
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


_ADDRESSES = {
    "public_url": ("http", "port"),
    "live_url": ("ws", "live_port"),
    "live_api_url": ("http", "port"),
}
"""On this machine, at the port that another setting names, unless they are set."""


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

    host: str = "127.0.0.1"
    port: Port = 8000
    live_port: Port = 8001
    simulator_port: Port = 8002
    public_url: str = Field("", description="where WeChat and customers reach the API")
    live_url: str = Field("", description="where viewers reach the live gateway")
    live_api_url: str = Field("", description="where the live gateway reaches the API")
    allowed_origins: Texts = Field((), description="web origins that may call the API and open live sockets")
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    trusted_proxies: Texts = Field(
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
    statement_timeout_ms: int = Field(15_000, ge=0)
    lock_timeout_ms: int = Field(8_000, ge=0)

    access_ttl_s: int = Field(30 * 60, ge=1)
    refresh_ttl_s: int = Field(30 * 24 * 3600, ge=1)

    wechat_api_base: str = "https://api.weixin.qq.com"
    wechat_pay_base: str = "https://api.mch.weixin.qq.com"
    wechat_timeout_s: float = Field(5.0, gt=0)
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

    @model_validator(mode="before")
    @classmethod
    def _addresses_follow_the_ports(cls, given: dict[str, Any]) -> dict[str, Any]:
        ports = {name: field.default for name, field in cls.model_fields.items() if name.endswith("port")} | given
        local = {name: f"{scheme}://127.0.0.1:{ports[port]}" for name, (scheme, port) in _ADDRESSES.items()}
        return given | {name: given.get(name) or address for name, address in local.items()}

    @field_validator("public_url", "live_url", "live_api_url", "wechat_api_base", "wechat_pay_base")
    @classmethod
    def _without_slash(cls, address: str) -> str:
        """Paths that begin with a slash are put behind it."""
        return address.rstrip("/")

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise PydanticCustomError("not_json", 'Must be a JSON list: ["…", "…"]') from None

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("database_url", "redis_url")
    @classmethod
    def _of_a_known_server(cls, address: str | None, field: ValidationInfo) -> str | None:
        schemes = {"database_url": ("postgresql", "postgres"), "redis_url": ("redis", "rediss", "unix")}
        known = schemes[str(field.field_name)]
        if address and address.partition("://")[0].partition("+")[0] not in known:
            raise ValueError(f"Must begin with {known[0]}://")
        return address

    # The environment is the first field, so that every other can ask for it: each fault is then told with its setting.
    @field_validator(*REQUIRED_IN_PRODUCTION)
    @classmethod
    def _required_in_production(cls, value: Any, field: ValidationInfo) -> Any:
        if _production(field) and not (value.get_secret_value() if isinstance(value, SecretStr) else value):
            raise ValueError("Must be set in production")
        return value

    @field_validator("secret_key", "field_key")
    @classmethod
    def _secret(cls, value: SecretStr, field: ValidationInfo) -> SecretStr:
        written = value.get_secret_value()
        keys = written.split() if field.field_name == "field_key" else [written.strip()]
        if not keys:
            raise ValueError("Must not be blank")
        if _production(field) and any(key == PLACEHOLDER_SECRET or len(key) < 32 for key in keys):
            raise ValueError("Must be set to 32 secret characters or more in production")
        return value

    @field_validator("public_url", "live_url")
    @classmethod
    def _encrypted_in_production(cls, address: str, field: ValidationInfo) -> str:
        scheme = "https://" if field.field_name == "public_url" else "wss://"
        if _production(field) and not address.startswith(scheme):
            raise ValueError(f"Must begin with {scheme} in production: WeChat takes nothing else")
        return address

    @field_validator("rate_limits")
    @classmethod
    def _limited_in_production(cls, on: bool, field: ValidationInfo) -> bool:
        if _production(field) and not on:
            raise ValueError("Must be on in production: it is off only for load tests")
        return on


def _production(field: ValidationInfo) -> bool:
    return field.data.get("environment") == "production"


def read(*modules: type[ModuleSettings]) -> Settings:
    """All that the environment sets, of the modules too. Raises ConfigurationInvalid with every fault."""
    faults: list[str] = []
    made: dict[type[BaseSettings], BaseSettings] = {}
    kinds: tuple[type[BaseSettings], ...] = (Settings, *modules)
    for kind in kinds:
        try:
            made[kind] = kind()
        except ValidationError as error:
            prefix = str(kind.model_config["env_prefix"])
            faults += [_line(prefix, fault) for fault in error.errors(include_input=False)]
    if faults:
        raise ConfigurationInvalid(faults)
    settings = made[Settings]
    assert isinstance(settings, Settings)
    return settings.with_modules(*(one for one in made.values() if isinstance(one, ModuleSettings)))


def _line(prefix: str, fault: Mapping[str, Any]) -> str:
    name, words = f"{prefix}{fault['loc'][0]}".upper(), wording(fault)
    return f"{name} {words[0].lower()}{words[1:]}"
