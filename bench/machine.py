"""Processor time by the scheduler's own account, and what machine the figures come from."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path


def cpu_ns(pids: Iterable[int]) -> dict[int, int]:
    """Processor time of all threads of each process that is still there, in nanoseconds."""
    spent: dict[int, int] = {}
    for pid in pids:
        try:
            threads = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
            spent[pid] = sum(int(path.read_text().split()[0]) for path in threads)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return spent


def spent_ns(before: dict[int, int], after: dict[int, int]) -> int:
    """What was spent between two readings, by processes that came meanwhile too."""
    return sum(now - before.get(pid, 0) for pid, now in after.items())


def children_of(pid: int) -> list[int]:
    """The processes below one, itself included."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        below.setdefault(parent, []).append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += below.get(found[-1], [])
    return found


def postgres_pids(data_dir: Path) -> list[int]:
    """The embedded PostgreSQL's processes: the postmaster and all its backends."""
    lock = next(data_dir.rglob("postmaster.pid"))
    return children_of(int(lock.read_text().splitlines()[0]))


def described() -> dict[str, str]:
    """The machine, the versions and how busy it is."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "processor": f"{os.cpu_count()} × {model}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> float:
    """How far the runs lie apart, as a part of their median: the noise."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0
