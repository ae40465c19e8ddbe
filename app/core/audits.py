"""Invariants as queries: each row that one finds is a breach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.db import Session, Statement

_TOLD = """told AS (
    SELECT type, stream, payload FROM event UNION ALL SELECT type, stream, payload FROM event_outbox
), """
_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class Check:
    """A query that finds breaches, and the sentence that says one, with `{column}` for what the query answers."""

    sentence: str
    query: Statement[dict[str, Any]]


def checks(queries: Mapping[str, str], *, told: bool = False) -> list[Check]:
    """Checks by their sentences. With `told`, a query may read `told (type, stream, payload)`: all events, numbered or
    not."""
    # MATERIALIZED, since the planner would bet on finding the few that LIMIT asks for soon, and there are none to find.
    with_ = f"WITH {_TOLD if told else ''}breaches AS MATERIALIZED"
    return [
        Check(sentence, Statement(f"{with_} ({query}) TABLE breaches LIMIT {_AT_MOST}", dict, custom_plan=True))
        for sentence, query in queries.items()
    ]


async def breaches_of(session: Session, checks: Sequence[Check], **values: Any) -> list[str]:
    """Every breach that the checks find, at most twenty of each, as sentences; each query takes those of the values that
    it names."""
    breaches: list[str] = []
    for check in checks:
        own = {name: value for name, value in values.items() if name in check.query.names}
        breaches += [check.sentence.format_map(row) for row in await check.query.all(session, **own)]
    return breaches
