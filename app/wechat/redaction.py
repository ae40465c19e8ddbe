"""Keeps WeChat's credentials out of the logs: its server API carries them in the query, and httpx logs addresses."""

import logging

import httpx

_CREDENTIALS = ("secret", "access_token", "js_code")


class CredentialRedaction(logging.Filter):
    """Cuts the query off any logged address that holds a WeChat credential."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_redacted(argument) for argument in record.args)
        return True


def _redacted(argument: object) -> object:
    if isinstance(argument, httpx.URL) and any(name in argument.params for name in _CREDENTIALS):
        return argument.copy_with(query=b"redacted")
    return argument


def redact_httpx_logs() -> None:
    """Puts the filter on httpx's logger, once."""
    logger = logging.getLogger("httpx")
    if not any(isinstance(known, CredentialRedaction) for known in logger.filters):
        logger.addFilter(CredentialRedaction())
