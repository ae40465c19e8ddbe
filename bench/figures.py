"""What a measurement reports."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.machine import median, spread


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number, the median of its runs. `ratio` is value / baseline; `goal` says what is wanted, `holds` whether
    it is met; `noise` is how far the runs lie apart, as a part of the median.

    Any of these may be None: a figure without a baseline has no ratio, one without a goal neither holds nor fails.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
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
