"""Day totals of performance, kept with the entries: a ranking costs the days of its period, not the orders."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, TypeVar
from uuid import UUID

from app.core.clock import china_date
from app.core.db import BulkInsert, Session
from app.stores import models
from app.stores.records import EntryRow, PartyDayRow, PathDayRow
from app.stores.rules import order_counts
from app.stores.schemas import EntryKind, Party, SplitRole

K = TypeVar("K", bound=Hashable)

FIGURES = ("sales_fen", "refunds_fen", "orders", "own_part_fen", "fulfilled_fen", "inviting_fen")
"""What a total of a day holds."""


def _added_to(table: str, key: str) -> str:
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in FIGURES)
    return f"ON CONFLICT ({key}) DO UPDATE SET {sums}"


_ADD_TO_PARTIES = BulkInsert(
    models.PartyDay, PartyDayRow, conflict=_added_to("stores_party_day", "day, role, scope_path, party_id")
)
_ADD_TO_PATHS = BulkInsert(models.PathDay, PathDayRow, conflict=_added_to("stores_path_day", "day, scope_path"))

COUNTED = """CROSS JOIN LATERAL (VALUES
        ('store', e.store_id, e.scope_path, e.amount_fen, CASE e.role WHEN 'store' THEN e.amount_fen ELSE 0 END, 0, 0),
        ('store', e.fulfilling_store_id, e.fulfilling_path, NULL, 0, e.amount_fen, 0),
        ('store', e.inviting_store_id, e.inviting_path, NULL, 0, 0, e.amount_fen),
        ('guide', e.credited_guide_id, e.scope_path, e.amount_fen, CASE e.role WHEN 'guide' THEN e.amount_fen ELSE 0 END,
         0, 0)
    ) AS c(party, party_id, path, credited_fen, own_part_fen, fulfilled_fen, inviting_fen)"""
"""SQL that says of each entry `e` what it counts to whom (`c`), as `_counted` does; `credited_fen` is null where nobody is
credited, and `party_id` where there is nobody."""


class _Counted(NamedTuple):
    """What one entry counts to one party. `credited_fen` is None where that is not by credit."""

    party: Party
    party_id: UUID | None
    path: str | None
    credited_fen: int | None = None
    own_part_fen: int = 0
    fulfilled_fen: int = 0
    inviting_fen: int = 0


def _counted(entry: EntryRow) -> Iterator[_Counted]:
    fen = entry.amount_fen
    stores, guides = (fen, 0) if entry.role is SplitRole.STORE else (0, fen)
    yield _Counted(Party.STORE, entry.store_id, entry.scope_path, fen, stores)
    yield _Counted(Party.STORE, entry.fulfilling_store_id, entry.fulfilling_path, fulfilled_fen=fen)
    yield _Counted(Party.STORE, entry.inviting_store_id, entry.inviting_path, inviting_fen=fen)
    yield _Counted(Party.GUIDE, entry.credited_guide_id, entry.scope_path, fen, guides)


async def add(session: Session, entries: Sequence[EntryRow]) -> None:
    """Add freshly written entries to the totals of their days; a sale's entries come together."""
    parties = [
        PartyDayRow(day=day, role=party, party_id=party_id, scope_path=path, **figures)
        for ((day, party, party_id), path), figures in _totals(entries, _party_day).items()
    ]
    paths = [
        PathDayRow(day=day, scope_path=path, **figures) for (day, path), figures in _totals(entries, _store_day).items()
    ]
    await _ADD_TO_PARTIES.run(session, sorted(parties))
    await _ADD_TO_PATHS.run(session, sorted(paths))


def _party_day(day: date, counted: _Counted) -> tuple[date, Party, UUID] | None:
    return None if counted.party_id is None else (day, counted.party, counted.party_id)


def _store_day(day: date, counted: _Counted) -> date | None:
    return day if counted.party is Party.STORE and counted.party_id is not None else None


def _totals(
    entries: Iterable[EntryRow], key_of: Callable[[date, _Counted], K | None]
) -> Mapping[tuple[K, str], Mapping[str, int]]:
    """What the entries come to by key and path; what has no key is left out."""
    totals: defaultdict[tuple[K, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(FIGURES, 0))
    sold_at: defaultdict[tuple[K, UUID], set[str]] = defaultdict(set)
    for entry in entries:
        for counted in _counted(entry):
            key = key_of(china_date(entry.business_at), counted)
            if key is None or counted.path is None:
                continue
            figures = totals[key, counted.path]
            for name in ("own_part_fen", "fulfilled_fen", "inviting_fen"):
                figures[name] += getattr(counted, name)
            if counted.credited_fen is None:
                continue
            if entry.kind is EntryKind.SALE:
                figures["sales_fen"] += counted.credited_fen
                sold_at[key, entry.order_id].add(counted.path)
            else:
                figures["refunds_fen"] -= counted.credited_fen
    for (key, _), paths in sold_at.items():
        for path, count in order_counts(paths).items():
            totals[key, path]["orders"] += count
    return totals
