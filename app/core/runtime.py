"""What a process has opened: settings, database, Redis and the clients of lower modules, found by their type."""

from typing import Any, TypeVar

from app.core.db import Database
from app.core.redis import Redis
from app.core.settings import Settings

T = TypeVar("T")


class Runtime:
    """Handed to routes (through `app.state.runtime`), flows, relays, jobs and sweeps."""

    def __init__(self, settings: Settings, db: Database, redis: Redis, *clients: Any) -> None:
        self.settings = settings
        self.db = db
        self.redis = redis
        self._clients: dict[type[Any], Any] = {type(client): client for client in clients}

    def client(self, kind: type[T]) -> T:
        """The opened client of that type, as `runtime.client(WechatPay)`."""
        found: T = self._clients[kind]
        return found
