"""What a measurement reports."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number. `ratio` is value / baseline; `goal` says what is wanted, `holds` whether it is met.

    Either may be None: a figure without a baseline has no ratio, one without a goal neither holds nor fails.
    """

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    goal: str | None = None
    holds: bool | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
