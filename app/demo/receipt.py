"""The receipt: what should have come out, computed from what was bought, beside what the product says."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Check:
    """One line of the receipt that has to add up."""

    name: str
    expected: Any
    found: Any

    @property
    def holds(self) -> bool:
        return bool(self.expected == self.found)


@dataclass
class Receipt:
    """Who bought through whom, what each earned, stock before and after, and whether everything adds up."""

    sales: list[dict[str, Any]] = field(default_factory=list)
    earnings: list[dict[str, Any]] = field(default_factory=list)
    performance: list[dict[str, Any]] = field(default_factory=list)
    stock: dict[str, int] = field(default_factory=dict)
    audit: dict[str, list[str]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    seconds: float = 0.0

    def check(self, name: str, expected: Any, found: Any) -> None:
        self.checks.append(Check(name, expected, found))

    @property
    def adds_up(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks) and not any(self.audit.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "adds_up": self.adds_up,
            "seconds": round(self.seconds, 1),
            "sales": self.sales,
            "earnings": self.earnings,
            "performance": self.performance,
            "stock": self.stock,
            "audit": self.audit,
            "checks": [
                {"name": c.name, "expected": c.expected, "found": c.found, "holds": c.holds} for c in self.checks
            ],
        }

    def print(self, console: Console) -> None:
        self._table(console, "Who bought through whom", self.sales)
        self._table(console, "What each party earned", self.earnings)
        self._table(console, "Performance, net of refunds", self.performance)
        self._table(console, "Stock", [self.stock])
        table = Table("", "expected", "found", "", title="Does it add up?", title_justify="left")
        for check in self.checks:
            table.add_row(check.name, str(check.expected), str(check.found), "✓" if check.holds else "[red]✗[/red]")
        console.print(table)
        balanced = not any(self.audit.values())
        console.print(f"audit: {'everything balanced' if balanced else self.audit}")
        verdict = "[green]It adds up.[/green]" if self.adds_up else "[red]It does not add up.[/red]"
        console.print(f"{verdict}  ({self.seconds:.1f} s)")

    def _table(self, console: Console, title: str, rows: list[dict[str, Any]]) -> None:
        table = Table(*(_heading(name) for name in rows[0]), title=title, title_justify="left")
        for row in rows:
            table.add_row(*(_cell(name, value) for name, value in row.items()))
        console.print(table)


def _heading(name: str) -> str:
    return name.removesuffix("_fen").replace("_", " ")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return f"¥{value / 100:,.2f}" if name.endswith("_fen") and isinstance(value, int) else str(value)
