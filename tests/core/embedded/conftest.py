"""Other processes, folders and ready-made clusters for the embedded servers."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio as redis

from app.core.embedded import engines
from app.core.settings import Settings

ENGINES = ("postgres", "valkey")

OTHER_PROCESS = """
import json, os, sys, time
from app.core.embedded import engines
from app.core.settings import Settings
with engines(Settings(_env_file=None, environment="test", data_dir=sys.argv[1])) as settings:
    forked = 0
    if "fork" in sys.argv:
        forked = os.fork()
        if forked == 0:
            time.sleep(600)
            os._exit(0)
    print(json.dumps([settings.database_url, settings.redis_url, forked]), flush=True)
    sys.stdin.read()
"""


class Other:
    """Another process inside `engines`, until it is told to leave or killed."""

    def __init__(self, data_dir: Path, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER_PROCESS, str(data_dir), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )
        self.forked = 0

    def urls(self) -> list[str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the other process ended without a word"
        *urls, self.forked = json.loads(line)
        return urls

    def leave(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def other() -> Iterator[Callable[..., Other]]:
    started: list[Other] = []

    def start(data_dir: Path, *arguments: str, **environment: str) -> Other:
        started.append(Other(data_dir, *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        if one.forked:
            os.kill(one.forked, signal.SIGKILL)


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder that every user can pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="siyu-engines-")).resolve()
    folder.chmod(0o711)
    yield folder

    def is_removed() -> bool:
        # A server whose owner was just killed takes its own files away meanwhile.
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    eventually(is_removed)


@pytest.fixture(scope="module")
def ready_made(ground: Path) -> Path:
    """A cluster that has been started once."""
    with engines(configured(ground / "ready-made")):
        pass
    return ground / "ready-made" / "postgres"


@pytest.fixture
def data_dir(ground: Path, ready_made: Path) -> Path:
    folder = Path(tempfile.mkdtemp(dir=ground))
    folder.chmod(0o711)
    shutil.copytree(ready_made, folder / "postgres")
    return folder


def configured(data_dir: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, **({"environment": "test", "data_dir": data_dir} | values))


def pid_of(engine: str, data_dir: Path) -> int:
    return int(json.loads((data_dir / "run" / f"{engine}.json").read_text())["pid"])


def eventually(condition: Callable[[], object], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


async def ask(settings: Settings | str, query: str) -> Any:
    url = settings if isinstance(settings, str) else settings.database_url
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def valkey(settings: Settings) -> Any:
    assert settings.redis_url is not None
    async with redis.from_url(settings.redis_url, decode_responses=True) as client:
        yield client
