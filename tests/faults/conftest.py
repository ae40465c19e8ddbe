"""Processes that are killed: the product's own, started on this test's database and on a WeChat with a real socket."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn
from pydantic import SecretStr

from app.core.settings import Settings
from app.processes import ports
from tests.conftest import Stage
from tests.modules.live.conftest import api_url, host, room  # noqa: F401  a room to tip and to talk in

ROOT = Path(__file__).resolve().parents[2]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        """Signals belong to the test run."""
        yield


@pytest.fixture
async def wechat_address(stage: Stage) -> AsyncIterator[str]:
    """The simulator of this test, also on a socket, for other processes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(uvicorn.Config(stage.simulator_app, lifespan="off", log_level="error"))
        serving = asyncio.create_task(server.serve([listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


def environment(settings: Settings, wechat: str) -> dict[str, str]:
    """The settings as a deployment gives them."""
    given = settings.model_copy(update={"wechat_api_base": wechat, "wechat_pay_base": wechat})
    values = {}
    for name in Settings.model_fields:
        value = getattr(given, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        if isinstance(value, tuple):
            value = json.dumps(value)
        if value is not None:
            values[f"SIYU_{name.upper()}"] = str(value)
    return os.environ | values


class Victim:
    """One process of the product."""

    def __init__(self, process: asyncio.subprocess.Process, address: str | None) -> None:
        self.process = process
        self.address = address

    async def killed(self) -> None:
        """Waits until it has ended, and checks how."""
        status = await asyncio.wait_for(self.process.wait(), 40)
        assert status == -signal.SIGKILL, f"ended with {status}"

    def kill(self) -> None:
        self.process.kill()


Start = Callable[..., Awaitable[Victim]]


@pytest.fixture
async def start(settings: Settings, wechat_address: str) -> AsyncIterator[Start]:
    """Start a process: `await start("api", point)`, `await start("worker", point)`, or `await start("live", live_api_url=…)`."""
    started: list[Victim] = []

    async def run(role: str, point: str = "never", **changes: str) -> Victim:
        arguments, address, inherited = [role, point], None, ()
        listener = None
        if role == "api":
            listener = socket.create_server(("127.0.0.1", 0), backlog=256)
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            arguments.append(str(listener.fileno()))
            inherited = (listener.fileno(),)
        if role == "live":
            (port,) = ports.free(1)
            address = f"127.0.0.1:{port}"
            changes["live_port"] = str(port)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.victim",
            *arguments,
            cwd=ROOT,
            env=environment(settings.model_copy(update=changes), wechat_address),
            pass_fds=inherited,
            stdout=asyncio.subprocess.DEVNULL,
        )
        if listener is not None:
            listener.close()  # so that its death closes the client
        victim = Victim(process, address)
        started.append(victim)
        return victim

    yield run
    for victim in started:
        if victim.process.returncode is None:
            victim.kill()
        await victim.process.wait()
