"""What a process runs on when nothing is configured: the embedded engines, and the simulator's WeChat."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core.embedded import engines
from app.core.settings import Settings
from app.wechat.simulator import load_or_make, settings_for


def with_wechat(settings: Settings) -> Settings:
    """Outside production, and with no merchant configured, WeChat is the simulator at `simulator_port`."""
    if settings.environment == "production" or settings.wechat_mchid:
        return settings
    keys = load_or_make(settings.data_dir.resolve() / "simulator")
    return settings_for(settings, keys, f"http://127.0.0.1:{settings.simulator_port}")


@contextmanager
def prepared(settings: Settings) -> Iterator[Settings]:
    """Complete settings; embedded engines that this starts stop with the block."""
    with engines(settings) as running:
        yield with_wechat(running)
