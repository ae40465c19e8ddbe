"""What processes run on outside production: the embedded engines, the simulator's WeChat, systems of their own."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from app import modules
from app.core.embedded import engines
from app.core.settings import Settings, read
from app.processes import ports


def configuration() -> Settings:
    """All that the environment sets. Raises ConfigurationInvalid with every fault of it."""
    return read(*modules.settings())


def with_wechat(settings: Settings) -> Settings:
    """Outside production, and with no merchant configured, WeChat is the simulator at `simulator_port`."""
    if settings.environment == "production" or settings.wechat_mchid:
        return settings
    from app.simulator import load_or_make, settings_for  # production never loads it

    keys = load_or_make(settings.data_dir.resolve() / "simulator")
    return settings_for(settings, keys, f"http://127.0.0.1:{settings.simulator_port}")


@contextmanager
def prepared(settings: Settings) -> Iterator[Settings]:
    """Complete settings; embedded engines that this starts stop with the block."""
    with engines(settings) as running:
        yield with_wechat(running)


@contextmanager
def throwaway(purpose: str, **changes: Any) -> Iterator[Settings]:
    """A system of its own on engines of its own, in a folder that is removed afterwards; WeChat is the simulator's."""
    with tempfile.TemporaryDirectory(prefix=f"siyu-{purpose}-", ignore_cleanup_errors=True) as folder:
        # Root's database runs as another user, who has to pass through to its data.
        Path(folder).chmod(0o711)
        with engines(isolated(Path(folder), changes)) as running:
            yield with_wechat(running)


def isolated(folder: Path, changes: dict[str, Any]) -> Settings:
    """Settings on free ports into which nothing of the caller's configuration leaks."""
    api, live, simulator = ports.free(3)
    defaults = {name: field.get_default() for name, field in Settings.model_fields.items()}
    own = {
        "data_dir": folder,
        "port": api,
        "live_port": live,
        "simulator_port": simulator,
        "public_url": f"http://127.0.0.1:{api}",
        "live_url": f"ws://127.0.0.1:{live}",
        "live_api_url": f"http://127.0.0.1:{api}",
    }
    plain = Settings(_env_file=None, **(defaults | own | changes))
    return plain.with_modules(*(kind.model_construct() for kind in modules.settings()))


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment with `settings` in place of its own, for child processes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SIYU_")}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if value != field.get_default():
            environment[f"SIYU_{name.upper()}"] = _text(value)
    for kind in modules.settings():
        own = settings.of(kind)
        prefix = kind.model_config["env_prefix"]
        environment |= {f"{prefix}{name.upper()}": _text(value) for name, value in own.model_dump().items()}
    return environment


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, tuple) else str(value)
