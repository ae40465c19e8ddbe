"""The simulator on a socket."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app.simulator.application import create_simulator
from app.simulator.keys import SimulatorKeys
from app.simulator.wire import ReplyLost

STOP_WITHIN_S = 1


class _Server(uvicorn.Server):
    """uvicorn that says when it listens, and leaves signals to whoever runs the event loop."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _quiet_about_lost_replies(app: ASGIApp) -> ASGIApp:
    """Lost replies are ordered by the user; uvicorn would log a traceback for each."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(ReplyLost):
            await app(scope, receive, send)

    return quiet


async def serve(
    keys: SimulatorKeys,
    *,
    host: str = "127.0.0.1",
    port: int,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serves until cancelled; port 0 takes a free one. `ready` gets the base address once it answers.

    Anybody who reaches the address can pay and refund, so it stays on this machine unless told otherwise. Raises
    OSError when the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=2048) as listener:
        shown = f"[{host}]" if ":" in host else host
        base_url = f"http://{shown}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            _quiet_about_lost_replies(create_simulator(keys)),
            log_config=None,
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
        server = _Server(config, lambda: ready(base_url) if ready else None)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving
