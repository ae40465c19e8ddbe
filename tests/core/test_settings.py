"""What a process refuses to start with, what it seals, and what its logs never hold."""

import pytest
from pydantic import SecretStr, ValidationError

from app.core.sealed import Unsealable, blind_index, seal, unseal
from app.core.settings import Settings

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
    with pytest.raises(ValidationError, match=name.upper()):
        made(**{key: value for key, value in PRODUCTION.items() if key != name})


@pytest.mark.parametrize("name", ["secret_key", "field_key"])
@pytest.mark.parametrize("value", ["short", " " * 40, "development-only-secret-development-only"])
def test_production_refuses_secrets_that_are_none(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        made(**PRODUCTION | {name: value})


@pytest.mark.parametrize("old", ["short", "development-only-secret-development-only"])
def test_production_refuses_a_weak_key_behind_a_good_one(old: str) -> None:
    with pytest.raises(ValidationError, match="FIELD_KEY"):
        made(**PRODUCTION | {"field_key": "n" * 32 + " " + old})
    assert made(**PRODUCTION | {"field_key": "n" * 32 + " " + "o" * 32})


def test_something_must_seal() -> None:
    with pytest.raises(ValidationError, match="FIELD_KEY"):
        made(field_key=" ")


@pytest.mark.parametrize("name", ["public_url", "live_url", "live_api_url", "wechat_api_base", "wechat_pay_base"])
def test_an_address_is_the_same_with_a_slash_behind_it(name: str) -> None:
    assert getattr(made(**{name: "https://shop.example/"}), name) == "https://shop.example"


def test_production_keeps_its_rate_limits() -> None:
    with pytest.raises(ValidationError, match="RATE_LIMITS"):
        made(**PRODUCTION, rate_limits=False)


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
