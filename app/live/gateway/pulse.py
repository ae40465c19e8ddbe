"""What one process has to tell Redis of one room: which sockets came and went, and who tapped. Told once a second."""

import time
from dataclasses import dataclass, field

from app.live.gateway.viewers import Viewer
from app.live.presence import Answer, Beat


@dataclass(frozen=True, slots=True)
class _Sent:
    beat: Beat
    known: int


@dataclass(slots=True)
class Pulse:
    """Outlives the room's last viewer until Redis knows that they left. What is being told waits under its number until
    Redis has answered, so it counts exactly once."""

    open: dict[str, Viewer] = field(default_factory=dict)
    _came: dict[str, None] = field(default_factory=dict)
    _went: dict[str, None] = field(default_factory=dict)
    _taps: dict[str, int] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)
    _whole: bool = False
    _sent: _Sent | None = None

    def came(self, name: str, viewer: Viewer) -> None:
        """A socket opened under this name."""
        self.open[name] = viewer
        self._came[name] = None

    def went(self, name: str) -> None:
        """It closed. Redis is not told of one that it never knew."""
        del self.open[name]
        if name in self._came:
            del self._came[name]
        else:
            self._went[name] = None

    def tapped(self, person: str, count: int) -> None:
        """A person sent so many hearts."""
        self._taps[person] = self._taps.get(person, 0) + count

    @property
    def idle(self) -> bool:
        """Nobody is here and Redis knows."""
        return not (self.open or self._came or self._went or self._taps or self._sent)

    def next(self, number: int) -> Beat:
        """What is to be told now: again what was not answered, else what happened since, under this number."""
        if self._sent is None:
            now = time.monotonic()
            whole = self._whole
            beat = Beat(
                number=number,
                came=tuple(self.open if whole else self._came),
                went=() if whole else tuple(self._went),
                whole=whole,
                taps=self._taps,
                age_ms=int((now - self._since) * 1000),
            )
            self._came, self._went, self._taps, self._since = {}, {}, {}, now
            self._sent = _Sent(beat, len(self.open))
        return self._sent.beat

    def told(self, answer: Answer) -> None:
        """Redis has answered. If it knows fewer sockets than it was told, it has lost some: next time tell all."""
        assert self._sent is not None, "nothing was told"
        self._whole = answer.known != self._sent.known
        self._sent = None
