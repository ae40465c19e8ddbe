"""What a process refuses to start with, what it seals, and what its logs never hold."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app import modules
from app.core.operator_errors import ConfigurationInvalid
from app.core.sealed import Unsealable, blind_index, seal, unseal
from app.core.settings import Settings, read

PRODUCTION = {
    "environment": "production",
    "database_url": "postgresql://db/siyu",
    "redis_url": "redis://cache",
    "secret_key": "s" * 32,
    "field_key": "f" * 32,
    "public_url": "https://shop.example",
    "live_url": "wss://live.example",
    **dict.fromkeys(
        (
            "wechat_appid",
            "wechat_app_secret",
            "wechat_mchid",
            "wechat_mch_serial",
            "wechat_mch_private_key",
            "wechat_apiv3_key",
            "wechat_pay_public_key",
            "wechat_pay_public_key_id",
        ),
        "x",
    ),
}


def made(**changes: object) -> Settings:
    return Settings(_env_file=None, **changes)  # type: ignore[arg-type,call-arg]


def test_a_complete_production_starts() -> None:
    assert made(**PRODUCTION).environment == "production"


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "environment"])
def test_production_refuses_to_start_without(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        made(**{key: value for key, value in PRODUCTION.items() if key != name})


@pytest.mark.parametrize("name", ["secret_key", "field_key"])
@pytest.mark.parametrize("value", ["short", " " * 40, "development-only-secret-development-only"])
def test_production_refuses_secrets_that_are_none(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        made(**PRODUCTION | {name: value})


@pytest.mark.parametrize("old", ["short", "development-only-secret-development-only"])
def test_production_refuses_a_weak_key_behind_a_good_one(old: str) -> None:
    with pytest.raises(ValidationError, match="field_key"):
        made(**PRODUCTION | {"field_key": "n" * 32 + " " + old})
    assert made(**PRODUCTION | {"field_key": "n" * 32 + " " + "o" * 32})


def test_something_must_seal() -> None:
    with pytest.raises(ValidationError, match="field_key"):
        made(field_key=" ")


@pytest.mark.parametrize("name", ["public_url", "live_url", "live_api_url", "wechat_api_base", "wechat_pay_base"])
def test_an_address_is_the_same_with_a_slash_behind_it(name: str) -> None:
    assert getattr(made(**{name: "https://shop.example/"}), name) == "https://shop.example"


def test_production_keeps_its_rate_limits() -> None:
    with pytest.raises(ValidationError, match="rate_limits"):
        made(**PRODUCTION, rate_limits=False)


def read_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **environment: str) -> list[str]:
    """What is said of an environment that holds nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIYU_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationInvalid) as refused:
        read(*modules.settings())
    return list(refused.value.faults)


def test_addresses_follow_the_ports_unless_they_are_set() -> None:
    moved = made(port=9100, live_port=9101, public_url="https://shop.example")
    assert moved.public_url == "https://shop.example"
    assert moved.live_url == "ws://127.0.0.1:9101"
    assert moved.live_api_url == "http://127.0.0.1:9100"
    assert made().public_url == made().live_api_url == "http://127.0.0.1:8000"


def test_all_that_production_lacks_is_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = read_with(monkeypatch, tmp_path, SIYU_ENVIRONMENT="production", SIYU_RATE_LIMITS="false")
    needed = [f"SIYU_{name.upper()}" for name in PRODUCTION if name != "environment"]
    assert sorted(line.split()[0] for line in told) == sorted(
        [*needed, "SIYU_RATE_LIMITS", "SIYU_LIVE_TIPS_JSAPI_REASON"]
    )
    assert "SIYU_REDIS_URL must be set in production" in told


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SIYU_ENVIRONMENT", "prod", "must be 'development', 'test' or 'production'"),
        ("SIYU_PORT", "eighty", "must be a whole number"),
        ("SIYU_LIVE_PORT", "70000", "must be at most 65535"),
        ("SIYU_LOG_LEVEL", "LOUD", "must be 'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"),
        ("SIYU_ALLOWED_ORIGINS", "https://a.example", 'must be a JSON list: ["…", "…"]'),
        ("SIYU_TRUSTED_PROXIES", "[1]", "must be text"),
        ("SIYU_DATABASE_URL", "mysql://db", "must begin with postgresql://"),
        ("SIYU_FIELD_KEY", " ", "must not be blank"),
        ("SIYU_API_WORKERS", "0", "must be at least 1"),
        ("SIYU_WECHAT_TIMEOUT_S", "0", "must be more than 0.0"),
        ("SIYU_ACCESS_TTL_S", "-1", "must be at least 1"),
        ("SIYU_ORDERS_UNPAID_TTL_S", "59", "must be at least 60"),
        ("SIYU_LIVE_TIP_MAX_FEN", "1.5", "must be a whole number"),
    ],
)
def test_each_fault_is_one_line_that_names_the_variable(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    others = {"SIYU_LIVE_TIP_TTL_S": "59", "SIYU_API_CONNECTIONS": "many"}
    told = read_with(monkeypatch, tmp_path, **others, **{name: value})
    assert sorted(told) == sorted(
        [
            f"{name} {said}",
            "SIYU_LIVE_TIP_TTL_S must be at least 60",
            "SIYU_API_CONNECTIONS must be a whole number",
        ]
    )


def test_a_level_of_the_log_may_be_written_small() -> None:
    assert made(log_level="debug").log_level == "DEBUG"


def test_settings_do_not_print_secrets() -> None:
    shown = repr(made(**PRODUCTION))
    assert "s" * 32 not in shown
    assert "f" * 32 not in shown


def test_what_is_sealed_opens_with_its_key_alone() -> None:
    old = made(field_key=SecretStr("o" * 40))
    sealed = seal(old, "13800001111")
    assert unseal(old, sealed) == "13800001111"
    assert sealed != seal(old, "13800001111")
    assert b"1380000" not in sealed
    assert blind_index(old, "a") == blind_index(old, "a") != blind_index(old, "b")
    rotated = made(field_key=SecretStr("n" * 40 + " " + "o" * 40))
    assert unseal(rotated, sealed) == "13800001111"
    for settings, text in ((made(field_key=SecretStr("x" * 40)), sealed), (old, sealed[:-1] + b"\0"), (old, b"")):
        with pytest.raises(Unsealable):
            unseal(settings, text)
