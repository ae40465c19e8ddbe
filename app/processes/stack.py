"""Several processes as one: the simulator, the API, a worker and the live gateway, started, watched and drained."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.core.embedded import launch
from app.core.operator_errors import OperatorError
from app.core.settings import Settings

_READY_WITHIN_S = 60
_DRAIN_WITHIN_S = 30


class ProcessFailed(OperatorError):
    """A process of the stack ended by itself, or did not become ready in time."""


@dataclass
class Process:
    """One `siyu` command as a child. `ready_url` answers 200 once it serves; None for those that serve nobody."""

    name: str
    arguments: list[str]
    ready_url: str | None
    child: asyncio.subprocess.Process | None = field(default=None, init=False)

    def ended(self) -> bool:
        return self.child is not None and self.child.returncode is not None


class Stack:
    """All processes of a development system on one machine; they die with this one, even when it is killed.

    `environment` is the whole environment of the children.
    """

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], *, log: Path | None = None, live: bool = True
    ) -> None:
        self._environment = environment
        self._log = log
        self.processes = [
            Process("simulator", ["simulator"], f"http://127.0.0.1:{settings.simulator_port}/simulator/calls?limit=1"),
            Process("api", ["serve"], f"http://{settings.host}:{settings.port}/health/ready"),
            Process("worker", ["worker"], None),
        ]
        if live:
            self.processes.append(Process("live", ["live"], f"http://{settings.host}:{settings.live_port}/health/live"))

    async def start(self) -> None:
        """Start every process and return when all serve. Raises ProcessFailed."""
        for process in self.processes:
            process.child = await self._spawn(process)
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            for process in self.processes:
                await self._wait_ready(client, process)

    async def _spawn(self, process: Process) -> asyncio.subprocess.Process:
        owner = [str(os.getpid()), str(int(signal.SIGTERM)), str(os.geteuid()), str(os.getegid())]
        command = [sys.executable, launch.__file__, *owner, sys.executable, "-m", "app.cli", *process.arguments]
        output = self._log.open("ab") if self._log else None
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        finally:
            if output is not None:
                output.close()

    async def _wait_ready(self, client: httpx.AsyncClient, process: Process) -> None:
        if process.ready_url is None:
            return
        deadline = asyncio.get_running_loop().time() + _READY_WITHIN_S
        while True:
            if process.ended():
                raise ProcessFailed(f"{process.name} ended before it was ready{self._where()}")
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(process.ready_url)).status_code == 200:
                    return
            if asyncio.get_running_loop().time() > deadline:
                raise ProcessFailed(f"{process.name} is not ready after {_READY_WITHIN_S} s{self._where()}")
            await asyncio.sleep(0.05)

    def _where(self) -> str:
        return f"; see {self._log}" if self._log else ""

    async def watch(self, stop: asyncio.Event) -> None:
        """Return when `stop` is set. Raises ProcessFailed when a process ends before that."""
        waits = {asyncio.create_task(p.child.wait()): p for p in self.processes if p.child is not None}
        stopped = asyncio.create_task(stop.wait())
        done, pending = await asyncio.wait({stopped, *waits}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        if stopped not in done:
            names = ", ".join(waits[task].name for task in done if task in waits)
            raise ProcessFailed(f"ended by itself: {names}{self._where()}")

    async def stop(self) -> None:
        """Let every process drain; the simulator goes last, since the others may still ask it."""
        for process in reversed(self.processes):
            await self._end(process)

    async def _end(self, process: Process) -> None:
        child = process.child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), _DRAIN_WITHIN_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
