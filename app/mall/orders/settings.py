"""What an operator may set of orders."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.settings import ModuleSettings


class OrderSettings(ModuleSettings):
    """Variables `SIYU_ORDERS_…`."""

    model_config = SettingsConfigDict(env_prefix="SIYU_ORDERS_")

    unpaid_ttl_s: int = Field(15 * 60, ge=60, le=7 * 24 * 3600, description="an unpaid order is closed after this")
