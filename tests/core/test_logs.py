"""Logs: one line per event in one form, whoever says it, and none of what is secret."""

import json
import subprocess
import sys
import textwrap

import pytest

SPEAKERS = """
    import asyncio, logging, warnings
    import structlog
    from app.core import telemetry
    from app.core.settings import Settings

    telemetry.configure(Settings(_env_file=None, log_format="%s"))
    structlog.get_logger("app").info("request", route="/v1/me", phone="13800000000", openid="oX", token="t")
    logging.getLogger("alembic.runtime").warning("two\\nlines of %%s", "a library")
    warnings.warn("an old way")

    async def leave() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "a task failed", "exception": ValueError("inner")})

    asyncio.run(leave())
    raise LookupError("the end")
"""


def said(log_format: str) -> list[str]:
    """What a process says that logs, warns, leaves a task failing, and ends by an error."""
    code = textwrap.dedent(SPEAKERS % log_format)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_as_json_each_line_is_one_event_whoever_says_it() -> None:
    events = [json.loads(line) for line in said("json")]
    assert [event["level"] for event in events] == ["info", "warning", "warning", "error", "critical"]
    own, library, warning, task, end = events
    assert (own["event"], own["route"]) == ("request", "/v1/me")
    assert {own[name] for name in ("phone", "openid", "token")} == {"[redacted]"}
    assert (library["logger"], library["event"]) == ("alembic.runtime", "two\nlines of a library")
    assert "an old way" in warning["event"]
    assert "ValueError: inner" in task["exception"]
    assert (end["event"], "LookupError: the end" in end["exception"]) == ("ended", True)
    assert all(event["timestamp"] for event in events)


@pytest.mark.parametrize("word", ["request", "a library", "an old way", "ValueError: inner", "LookupError: the end"])
def test_for_people_all_of_it_is_readable(word: str) -> None:
    assert word in "\n".join(said("console"))
