"""Invariants as queries: each row that one finds is a breach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.db import Session, Statement

_TOLD = """told AS (
    SELECT type, stream, payload FROM event UNION ALL SELECT type, stream, payload FROM event_outbox
), """
_APPLIED = """applied AS (
    SELECT e.type, e.stream, e.payload FROM event e JOIN event_cursor c ON c.consumer = :{consumer} AND e.seq <= c.seq
    WHERE NOT EXISTS (SELECT 1 FROM event_dead_letter d
                      WHERE d.consumer = c.consumer AND d.seq = e.seq AND d.resolved_at IS NULL)
), """
_AT_MOST = 20

A_MOMENT_BEFORE = "interval '1 minute'"
"""A version of a rule that began less than this before a sale may not have counted for it: the transaction that added it may
still have been open. None is open for longer."""


@dataclass(frozen=True, slots=True)
class Check:
    """A query that finds breaches, and the sentence that says one, with `{column}` for what the query answers."""

    sentence: str
    query: Statement[dict[str, Any]]


def checks(queries: Mapping[str, str], *, told: bool = False, applied_by: str = "") -> list[Check]:
    """Checks by their sentences. With `told`, a query may read `told (type, stream, payload)`: all events, numbered or
    not. With `applied_by`, the parameter that names a consumer, it may read `applied`: the events that are behind it."""
    # MATERIALIZED, since the planner would bet on finding the few that LIMIT asks for soon, and there are none to find.
    with_ = f"WITH {_TOLD if told else ''}{_APPLIED.format(consumer=applied_by) if applied_by else ''}"
    return [
        Check(
            sentence,
            Statement(
                f"{with_}breaches AS MATERIALIZED ({query}) TABLE breaches LIMIT {_AT_MOST}", dict, custom_plan=True
            ),
        )
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
