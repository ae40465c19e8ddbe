"""How often a room sends: every 10 ms while the core is idle, less often the more there is to do.

Writing a frame costs the same however many events it carries, so a longer tick makes each delivery cheaper and each
message later. The tick of a room grows with its viewers; what each of them adds to it is adapted to the load of the core.
"""

import os
import time
from dataclasses import dataclass

from app.live.gateway import metrics

TICK_FLOOR_S = 0.01
TICK_CEILING_S = 1.0
BUSY_GOAL = 0.4
"""The share of a core that this process may use. Sending gets what the rest of its work leaves, a quarter at least."""

PER_VIEWER_S = 30e-6
"""What each viewer adds to a room's tick on a core that others use too, and until it is known whether they do."""
_LEAST_S, _MOST_S = 10e-6, 10e-3
_LOOK_EVERY_S = 0.1
_SETTLE_S = 0.2


@dataclass(frozen=True, slots=True)
class Load:
    """Shares of a core: what sending used, what the process used besides, and how long it waited for others to leave it."""

    sending: float
    other: float
    waiting: float


def tick_of(viewers: int, per_viewer_s: float) -> float:
    """Seconds between the frames of a room."""
    return min(TICK_CEILING_S, max(TICK_FLOOR_S, viewers * per_viewer_s))


def adapted(per_viewer_s: float, load: Load) -> float:
    """What each viewer should add to the tick, by the load under what they add now.

    A longer tick brings down what sending uses, so the process's own load may make it as long as need be. It does not
    bring down what others use, so waiting for them makes it no longer than `PER_VIEWER_S` says.
    """
    alone = per_viewer_s * load.sending / _left(load.other)
    beside_others = per_viewer_s * load.sending / _left(load.other + load.waiting)
    return min(_MOST_S, max(_LEAST_S, alone, min(PER_VIEWER_S, beside_others)))


def _left(other: float) -> float:
    return max(BUSY_GOAL - other, BUSY_GOAL / 4)


class Pace:
    """One process's pace, which all of its rooms share. It looks at the load when one of them asks, ten times a second at
    most, and moves to what it finds within a few looks."""

    def __init__(self) -> None:
        self._per_viewer_s = PER_VIEWER_S
        self._sending_ns = 0
        self._schedstat = _opened()
        self._looked_at = time.monotonic()
        self._account = self._read_account()

    def close(self) -> None:
        """Look no more."""
        if self._schedstat is not None:
            os.close(self._schedstat)
            self._schedstat = None

    def sent(self, used_ns: int) -> None:
        """Sending used so much processor time."""
        self._sending_ns += used_ns

    def tick(self, viewers: int) -> float:
        """Seconds between the frames of a room with so many viewers, as things are now."""
        elapsed_s = time.monotonic() - self._looked_at
        if elapsed_s >= _LOOK_EVERY_S:
            self._look(elapsed_s)
        return tick_of(viewers, self._per_viewer_s)

    def _look(self, elapsed_s: float) -> None:
        account = self._read_account()
        used, waited = ((now - before) / 1e9 / elapsed_s for now, before in zip(account, self._account, strict=True))
        sending = self._sending_ns / 1e9 / elapsed_s
        self._account, self._sending_ns = account, 0
        self._looked_at += elapsed_s
        found = adapted(self._per_viewer_s, Load(sending=sending, other=max(0.0, used - sending), waiting=waited))
        self._per_viewer_s += (found - self._per_viewer_s) * elapsed_s / (elapsed_s + _SETTLE_S)
        metrics.BUSY.set(used)
        metrics.SENDING.set(sending)

    def _read_account(self) -> tuple[int, int]:
        """The processor time that this process has used, and has waited for where that is known, in nanoseconds."""
        if self._schedstat is None:
            return time.process_time_ns(), 0
        used_ns, waited_ns, _ = os.pread(self._schedstat, 100, 0).split()
        return int(used_ns), int(waited_ns)


def _opened() -> int | None:
    """Linux's account of this process's main thread, which is the one that sends."""
    try:
        return os.open("/proc/self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
