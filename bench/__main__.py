"""`python -m bench [name …]`: run the named measurements, or all."""

import asyncio
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from bench import live_room, orders, requests
from bench.figures import Figure
from bench.machine import described

MEASUREMENTS = {"orders": orders.measure, "requests": requests.measure, "live_room": live_room.measure}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def main() -> int:
    names = sys.argv[1:] or list(MEASUREMENTS)
    figures: list[Figure] = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr)
        figures += asyncio.run(MEASUREMENTS[name]())
    table = Table(Column("figure", no_wrap=True), "value", "unit", "goal", "holds", "noise")
    for f in figures:
        holds = "" if f.holds is None else "yes" if f.holds else "no"
        noise = "" if f.noise is None else f"{f.noise:.0%}"
        table.add_row(f.name, _number(f.value), f.unit, f.goal or "", holds, noise)
    console = Console(width=110)
    console.print(table)
    machine = described()
    console.print(", ".join(f"{name}: {value}" for name, value in machine.items()))
    target = Path(__file__).parent / "latest.json"
    target.write_text(json.dumps({"machine": machine, "figures": [f.as_json() for f in figures]}, indent=2) + "\n")
    return 0


sys.exit(main())
