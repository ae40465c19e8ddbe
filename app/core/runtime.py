"""What a process has opened: settings, database, Redis and the doors of lower rooms, found by their type."""

from typing import Any, TypeVar

from app.core.db import Database
from app.core.redis import Redis
from app.core.settings import Settings

T = TypeVar("T")


class Runtime:
    """Handed to routes (through `app.state.runtime`), flows, relays, jobs and sweeps."""

    def __init__(self, settings: Settings, db: Database, redis: Redis, *doors: Any) -> None:
        self.settings = settings
        self.db = db
        self.redis = redis
        self._doors: dict[type[Any], Any] = {type(door): door for door in doors}

    def door(self, kind: type[T]) -> T:
        """The opened door of that type, as `runtime.door(WechatPay)`."""
        found: T = self._doors[kind]
        return found
