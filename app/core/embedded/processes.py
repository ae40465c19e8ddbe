"""Server processes: starting them as our children, recognising them later, and stopping them within bounds."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from .accounts import Account
from .errors import EngineFailed

STOP_WITHIN_S = 20.0
START_WITHIN_S = 60.0
LOG_LIMIT = 4 * 1024 * 1024
LAUNCH = Path(__file__).with_name("launch.py")


def environment() -> dict[str, str]:
    """The variables a server or its tool gets: no PG… variable of the user may steer it, and no secret of ours leaks."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C"}


class Log:
    """One server's output file; remembers where the current start began, so that failures quote only that."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin = 0

    def open(self) -> int:
        """A descriptor to append to; a file that has grown past the limit starts anew."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self._begin = os.fstat(descriptor).st_size
        if self._begin > LOG_LIMIT:
            os.ftruncate(descriptor, 0)
            self._begin = 0
        return descriptor

    def failure(self, what: str) -> EngineFailed:
        """An error that says `what` and shows the last lines written since the log was opened."""
        with self.path.open("rb") as file:
            file.seek(max(self._begin, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode(errors="replace").splitlines()[-20:]
        return EngineFailed("\n  ".join([f"{what}; the end of {self.path}:", *(lines or ["(nothing was written)"])]))


class Child(subprocess.Popen[bytes]):
    """A process of ours, with the signal that asks it to stop in good order."""

    stop_signal: signal.Signals


class Children:
    """The processes of one owner. Leaving the block stops all that still run.

    The kernel sends the death signal when the *thread* that started the process ends. So one thread of our own
    starts them all and lives as long as the block, whichever thread entered it.
    """

    def __init__(self) -> None:
        self._running: list[Child] = []
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="embedded-servers")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._starter:  # its thread ends after the children did, or else by its end signals them
            self._starter.submit(self._stop_all).result()

    def start(self, command: Sequence[str | Path], account: Account, log: Log, stop_signal: signal.Signals) -> Child:
        """Start a server or one of its tools; `stop_signal` is also what it gets when this process dies (Linux)."""
        return self._starter.submit(self._start, [str(word) for word in command], account, log, stop_signal).result()

    def _start(self, command: list[str], account: Account, log: Log, stop_signal: signal.Signals) -> Child:
        ties = [os.getpid(), stop_signal.value, account.uid, account.gid]
        output = log.open()
        try:
            child = Child(
                [sys.executable, "-I", "-S", str(LAUNCH), *map(str, ties), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=environment(),
                start_new_session=True,  # the terminal's Ctrl-C is for the owner, which drains before it stops us
            )
        finally:
            os.close(output)
        child.stop_signal = stop_signal
        self._running.append(child)
        return child

    def _stop_all(self) -> None:
        # On the starter's thread, hence after a start that was under way when the block was interrupted.
        running = [child for child in self._running if child.poll() is None]
        for child in running:
            child.send_signal(child.stop_signal)
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in running:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def wait_until(condition: Callable[[], bool], child: Child, log: Log) -> None:
    """Return when `condition` holds. Raises EngineFailed when the child ends or START_WITHIN_S pass before that."""
    deadline = time.monotonic() + START_WITHIN_S
    while not condition():
        name = log.path.stem
        if child.poll() is not None:
            raise log.failure(f"{name} ended with status {child.returncode} while starting")
        if time.monotonic() > deadline:
            raise log.failure(f"{name} did not accept connections within {START_WITHIN_S:.0f} s")
        time.sleep(0.02)


def began(pid: int) -> str | None:
    """When process `pid` began, as an opaque text that no later process of that pid shares; None if it has ended."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else fields[19]  # a zombie holds its pid, nothing else
    return _ps(pid, "lstart=")


def runs(pid: int, executable: str) -> bool:
    """Whether process `pid` runs a program of that name."""
    if sys.platform == "linux":
        try:  # not /proc/…/exe: root in a container may not see that of another user's process
            return Path(f"/proc/{pid}/comm").read_text().rstrip("\n") == executable[:15]
        except OSError:
            return False
    return Path(_ps(pid, "comm=") or "").name == executable


def stop_leftover(pid: int, start: str, executable: str, stop_signal: signal.Signals) -> None:
    """Stop a server whose owner is gone, if `pid` still is that very process: same start time, same program."""
    deadline = time.monotonic() + STOP_WITHIN_S
    sent = stop_signal
    while began(pid) == start and runs(pid, executable):
        try:
            os.kill(pid, sent)
        except ProcessLookupError:
            return
        while began(pid) == start and time.monotonic() < deadline:
            time.sleep(0.02)
        sent, deadline = signal.SIGKILL, time.monotonic() + 5.0


def _ps(pid: int, column: str) -> str | None:
    shown = subprocess.run(  # noqa: S603  our own words
        ["/bin/ps", "-o", column, "-p", str(pid)], env=environment(), capture_output=True, text=True, check=False
    )
    return shown.stdout.strip() or None
