"""Structured logs, without secrets or personal data."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from app.core.settings import Settings

_NEVER = frozenset(
    {"authorization", "password", "token", "access_token", "refresh_token", "session_key", "phone", "openid", "secret"}
)


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event.keys() & _NEVER:
        event[name] = "[redacted]"
    return event


def configure(settings: Settings) -> None:
    """Set up logging once per process: one line per event on stderr, JSON or readable."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    if settings.log_format == "json":
        rendering: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        rendering = [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    structlog.configure(
        processors=shared + rendering,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    for noisy in ("httpx", "httpcore", "wechatpayv3", "pgqueuer"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
