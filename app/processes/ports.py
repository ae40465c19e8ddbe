"""The ports that processes listen on: taken ones are told before anything is started."""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.operator_errors import OperatorError
from app.core.settings import Settings


class PortTaken(OperatorError):
    """Nothing can be served at an address: one line for each, naming its setting."""


@dataclass(frozen=True)
class Place:
    """Where a process will listen, and the setting that says so."""

    host: str
    port: int
    setting: str


def of_api(settings: Settings) -> Place:
    return Place(settings.host, settings.port, "SIYU_PORT")


def of_gateway(settings: Settings) -> Place:
    return Place(settings.host, settings.live_port, "SIYU_LIVE_PORT")


def of_simulator(settings: Settings) -> Place:
    return Place("127.0.0.1", settings.simulator_port, "SIYU_SIMULATOR_PORT")


def require_free(*places: Place) -> None:
    """Raises PortTaken with all that cannot be listened on."""
    faults: list[str] = []
    with contextlib.ExitStack() as held:
        for place in places:
            family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
            try:
                held.enter_context(socket.create_server((place.host, place.port), family=family))
            except OSError as error:
                faults.append(_told(place, error))
    if faults:
        raise PortTaken("\n".join(faults))


def _told(place: Place, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {place.port} is in use: end what listens there or set {place.setting}"
    why = os.strerror(error.errno) if error.errno else str(error)
    return f"cannot listen on {place.host}, port {place.port} ({why}): set SIYU_HOST or {place.setting}"


def free(count: int) -> Sequence[int]:
    """Ports of this machine's loopback that nobody listens on now."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [s.getsockname()[1] for s in sockets]
