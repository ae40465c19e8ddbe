"""The simulator as an ASGI application."""

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.core.http.reference import serve_reference
from app.core.operator_errors import OperatorError
from app.simulator import buyers, controls, pay
from app.simulator.keys import SimulatorKeys
from app.simulator.state import Post, Simulator

_DESCRIPTION = """
A local stand-in for WeChat Pay (APIv3) and the mini-program's server API. It speaks the same wire protocols under
`/v3`, `/sns`, `/cgi-bin` and `/wxa`; the addresses documented here are its own controls, for the one who plays the
buyer, the bank or time itself. It keeps everything in memory: a restart forgets all charges and buyers.
"""

_TAGS = [
    {"name": "buyers", "description": "People with an openid, and the codes their phone would give."},
    {"name": "charges", "description": "Paying what the mall has opened."},
    {"name": "refunds", "description": "What becomes of a refund."},
    {"name": "time", "description": "Retries, expiry and codes follow a clock that can be moved forward."},
    {"name": "observation", "description": "What went over the wire."},
    {"name": "faults", "description": "Timeouts, errors and lost replies on order."},
]


class SimulatorIncomplete(OperatorError):
    """A package that only the simulator needs is not installed."""


def create_simulator(keys: SimulatorKeys, *, post: Post | None = None) -> FastAPI:
    """The application with a state of its own (`app.state.simulator`). `post` sends the notifications in place of
    sockets.

    The application's lifespan ends the timers and connections; who calls the application without it awaits
    `app.state.simulator.close()`. Raises SimulatorIncomplete.
    """
    if importlib.util.find_spec("segno") is None:
        raise SimulatorIncomplete("the package segno is not installed: pip install 'siyu[simulator]'")
    simulator = Simulator(keys, post=post)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await simulator.close()

    app = FastAPI(
        title="Siyu's WeChat simulator",
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        docs_url=None,
        redoc_url=None,
        routes=[*pay.ROUTES, *buyers.ROUTES],
        lifespan=lifespan,
    )
    app.state.simulator = simulator
    app.include_router(controls.router)
    serve_reference(app)
    return app
