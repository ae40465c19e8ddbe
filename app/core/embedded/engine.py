"""What the two embedded servers have in common."""

import signal
from pathlib import Path
from typing import Protocol

from .processes import Child, Children, Log


class Engine(Protocol):
    """One kind of server that can be started in a data folder."""

    name: str  # of its folder, socket folder, lock, run file and log
    executable: str
    stop_signal: signal.Signals  # stops it in good order
    log: Log

    def start(self, children: Children) -> Child:
        """Prepare its folders and start it. Only the holder of its lock may call this.

        Raises EngineFailed when that is impossible; that it accepts connections has still to be waited for.
        """

    @property
    def socket(self) -> Path:
        """The Unix socket it listens on, known once it was started."""

    @property
    def url(self) -> str:
        """How a client reaches it, known once it was started."""

    def answers(self) -> bool:
        """Whether it serves requests now."""
