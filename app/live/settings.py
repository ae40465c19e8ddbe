"""What an operator may set of live rooms."""

from enum import StrEnum

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from app.core.settings import ModuleSettings


class TipPayment(StrEnum):
    """How tips are paid: as ordinary payments in the mini-program, or not at all."""

    JSAPI = "jsapi"
    OFF = "off"


class LiveSettings(ModuleSettings):
    """Variables `SIYU_LIVE_…`."""

    model_config = SettingsConfigDict(env_prefix="SIYU_LIVE_", populate_by_name=True)

    environment: str = Field("development", validation_alias="SIYU_ENVIRONMENT", repr=False)
    tip_ttl_s: int = Field(10 * 60, ge=60, le=24 * 3600, description="an unpaid tip is closed after this")
    tip_max_fen: int = Field(200_000, ge=1, le=5_000_000, description="the most that one tip may be")
    tips: TipPayment = Field(TipPayment.JSAPI, description="how tips are paid: as ordinary payments, or not at all")
    tips_jsapi_reason: str = Field(
        "",
        validate_default=True,
        description="why production may take tips as ordinary payments, where WeChat asks for virtual payment",
    )

    @field_validator("tips_jsapi_reason")
    @classmethod
    def _told_in_production(cls, reason: str, field: ValidationInfo) -> str:
        is_taken = field.data.get("environment") == "production" and field.data.get("tips") is TipPayment.JSAPI
        if is_taken and not reason.strip():
            raise ValueError("Must say in production why tips may be ordinary payments, or set SIYU_LIVE_TIPS=off")
        return reason
