"""What a measurement reports."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.machine import median, spread

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
"""How often each measurement runs; a figure is the median."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number, the median of its runs. `goal` is its bound and `holds` whether it is met, both None without
    one; `noise` is how far the runs lie apart, as a part of the median.
    """

    name: str
    value: float
    unit: str
    goal: str | None = None
    holds: bool | None = None
    noise: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def figure(
    name: str, runs: Sequence[float], unit: str, *, at_most: float | None = None, at_least: float | None = None
) -> Figure:
    """A figure from the values of several runs, with a goal on one side."""
    value = median(runs)
    goal, holds = None, None
    if at_most is not None:
        goal, holds = f"<= {at_most:g}", value <= at_most
    if at_least is not None:
        goal, holds = f">= {at_least:g}", value >= at_least
    noise = round(spread(runs), 3) if len(runs) > 1 else None
    return Figure(name=name, value=round(value, 3), unit=unit, goal=goal, holds=holds, noise=noise)
