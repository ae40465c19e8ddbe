"""Commands that run until SIGTERM: the API, the worker, the live gateway, the simulator, and all of them at once."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_network

import typer
import uvicorn
import uvloop
from rich.console import Console
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.cli.data import development_only, ensure_seeded, unhurried
from app.core import telemetry
from app.core.db import Database
from app.core.settings import Settings
from app.migrations import schema
from app.processes import gateway, ports, stack, worker
from app.processes.dev import configuration, prepared
from app.wechat import require_keys

console = Console(stderr=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    for command in (serve, work, live, simulator, dev):
        app.command(name={"work": "worker"}.get(command.__name__, command.__name__))(command)


def _until_signalled(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run on uvloop; SIGTERM and Ctrl-C set the event, and the process ends when `run` has drained."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run(stop)

    uvloop.run(main())


def mapped(addresses: Iterable[str]) -> list[str]:
    """The IPv4 addresses and networks among these, as a socket that listens on `::` names them."""
    found = []
    for address in addresses:
        with contextlib.suppress(ValueError):  # "*" and the names of sockets are addresses too
            network = ip_network(address, strict=False)
            if network.version == 4:
                found.append(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return found


def serve() -> None:
    """The HTTP API (SIYU_API_WORKERS processes)."""
    settings = configuration()
    ports.require_free(ports.of_api(settings))
    together = telemetry.shared_metrics() if settings.api_workers > 1 else contextlib.nullcontext()
    with prepared(settings) as complete, together:
        require_keys(complete)  # in a line here; the server would tell it by a traceback
        # Child processes of uvicorn build their app from the environment.
        os.environ["SIYU_DATABASE_URL"] = complete.database_url or ""
        os.environ["SIYU_REDIS_URL"] = complete.redis_url or ""
        _serve(
            uvicorn.Config(
                "app.main:app",
                factory=True,
                host=settings.host,
                port=settings.port,
                workers=settings.api_workers,
                loop="uvloop",
                http="httptools",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                forwarded_allow_ips=[*settings.trusted_proxies, *mapped(settings.trusted_proxies)],
                backlog=2048,
                timeout_graceful_shutdown=20,
            )
        )


def _serve(config: uvicorn.Config) -> None:
    """Serve until SIGTERM or Ctrl-C, then drain. Raises SystemExit when the API cannot start."""
    # Having drained, uvicorn raises the signal again: that must not end us before what we started has been stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sockets = [config.bind_socket()]
    if config.workers == 1:
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets)
        return
    supervisor = Multiprocess(config, sockets)
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


def work() -> None:
    """The sequencer, the consumers of the event log, jobs and timers. Run as many as you like."""
    with prepared(configuration()) as settings:
        _until_signalled(lambda stop: worker.run(settings, stop))


def live() -> None:
    """The live gateway: WebSockets of the rooms. Run one per core."""
    given = configuration()
    ports.require_free(ports.of_gateway(given))
    with prepared(given) as settings:
        _until_signalled(lambda stop: gateway.run(settings, stop))


def simulator() -> None:
    """A local WeChat for development: pay, refund and log in without a merchant account."""
    settings = development_only(configuration())
    ports.require_free(ports.of_simulator(settings))
    from app.simulator import load_or_make  # production never loads it
    from app.simulator import serve as serve_simulator

    keys = load_or_make(settings.data_dir.resolve() / "simulator")

    async def run(stop: asyncio.Event) -> None:
        serving = asyncio.create_task(
            serve_simulator(
                keys, port=settings.simulator_port, ready=lambda url: console.print(f"WeChat simulator on {url}")
            )
        )
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    _until_signalled(run)


def dev() -> None:
    """Everything at once on the embedded engines, with simulator and seed data. Ctrl-C stops it."""
    given = development_only(configuration())
    ports.require_free(ports.of_simulator(given), ports.of_api(given), ports.of_gateway(given))
    with prepared(given) as settings:
        telemetry.configure(settings)

        async def run(stop: asyncio.Event) -> None:
            database = Database(unhurried(settings), connections=2, name="siyu-dev")
            await schema.upgrade(database)
            await database.close()
            logins = await ensure_seeded(settings)
            whole = stack.Stack(settings, dict(os.environ))
            try:
                await whole.start()
                _greet(settings, logins)
                await whole.watch(stop)
            finally:
                console.print("draining …")
                await whole.stop()

        _until_signalled(run)


def _greet(settings: Settings, logins: dict[str, str]) -> None:
    console.print(f"\n[bold]Siyu runs.[/bold]  API {settings.public_url}  (reference at /docs)")
    console.print(f"live sockets {settings.live_url}  ·  WeChat simulator {settings.wechat_pay_base}/docs")
    for login, password in logins.items():
        console.print(f"staff login  {login} / {password}")
    console.print("Ctrl-C stops everything.\n")
