"""The live gateway process: WebSockets of the rooms, without a database. Run one per core."""

import asyncio
import gc

from app.core import telemetry
from app.core.settings import Settings
from app.live import gateway


def collect_rarely() -> None:
    """Let Python look for cycles less often, and never again among what is there at the start.

    Every socket brings a hundred objects that live as long as it does; looking through all of them time and again took a
    third of what a viewer's joining costs, and each look delays every room. A closed socket is freed without it, save for
    a few kilobytes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(25_000, 20, 5)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve sockets until `stop` is set, then drain."""
    telemetry.configure(settings)
    collect_rarely()
    await gateway.serve(settings, stop)
