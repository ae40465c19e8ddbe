"""What an operator may set of live rooms."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from app.core.settings import ModuleSettings


class LiveSettings(ModuleSettings):
    """Variables `SIYU_LIVE_…`."""

    model_config = SettingsConfigDict(env_prefix="SIYU_LIVE_")

    tip_ttl_s: int = Field(10 * 60, ge=60, le=24 * 3600, description="an unpaid tip is closed after this")
    tip_max_fen: int = Field(200_000, ge=1, le=5_000_000, description="the most that one tip may be")
