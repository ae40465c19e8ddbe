"""Who owns which server: one locked file per server, and a run file in which the owner tells the others where it is.

The lock (flock) is the truth: it is held exactly as long as the owner lives, whatever kills it. All that is read or
written by the way of claiming happens behind one more lock, the gate, held for an instant. So of two programs that
start together one gets all the servers it wants, and a run file beside a held lock was written by its present holder.
"""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

_held: set[int] = set()


def _let_go_in_forked_child() -> None:
    # A lock lives as long as any copy of its descriptor. `exec` closes it (CLOEXEC); a bare fork needs this.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go_in_forked_child)


@dataclass(frozen=True)
class Run:
    """What the run file says of one server; `url` is there only while it accepts connections."""

    owner: int
    pid: int
    began: str
    socket: str
    url: str | None = None

    @property
    def answers(self) -> bool:
        """Whether something accepts connections on the socket."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            return probe.connect_ex(self.socket) == 0


class Claims:
    """The servers that this call owns. Leaving the block gives them up; by then they must have been stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, int] = {}
        self._runs: dict[str, Run] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for run in self._runs.values():
            with contextlib.suppress(OSError):  # not empty after a kill; the next start sees to it
                Path(run.socket).parent.rmdir()
        for name, descriptor in self._locks.items():
            self._path(name).unlink(missing_ok=True)
            _held.discard(descriptor)
            os.close(descriptor)
        self._locks.clear()

    def take(self, names: Iterable[str]) -> dict[str, Run | None]:
        """Claim those of `names` that nobody owns; returns for each what its last owner, gone by now, left behind."""
        taken: dict[str, Run | None] = {}
        with self._gate():
            for name in names:
                if self._lock(name):
                    left = self.read(name)
                    if left is not None and left.url is not None:
                        self._write(name, replace(left, owner=os.getpid(), url=None))
                    taken[name] = left
        return taken

    def announce(self, name: str, run: Run) -> None:
        """Tell the others about a server of ours; without a url they wait on."""
        self._runs[name] = run
        self._write(name, run)

    def withdraw(self) -> None:
        """Send no more callers to our servers, which are about to stop; they wait for the next owner instead."""
        for name, run in self._runs.items():
            self._write(name, replace(run, url=None))

    def read(self, name: str) -> Run | None:
        """What the run file says, if there is one that can be understood."""
        try:
            return Run(**json.loads(self._path(name).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, name: str, run: Run) -> None:
        unfinished = self._folder / f"{name}.json.new"  # one name will do: only the lock's holder writes
        unfinished.write_text(json.dumps(asdict(run)))
        unfinished.replace(self._path(name))

    @contextmanager
    def _gate(self) -> Iterator[None]:
        descriptor = os.open(self._folder / "gate.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, name: str) -> bool:
        descriptor = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._locks[name] = descriptor
            _held.add(descriptor)
            return True
        os.close(descriptor)
        return False
