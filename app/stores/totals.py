"""Day totals of performance, kept with the entries: a ranking costs the days of its period, not the orders."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar
from uuid import UUID

from app.core.clock import china_date
from app.core.db import BulkInsert, Session
from app.stores import models
from app.stores.records import EntryRow, PartyDayRow, PathDayRow
from app.stores.rules import order_counts
from app.stores.schemas import EntryKind, SplitRole

K = TypeVar("K")

_ADD_TO_PARTIES = BulkInsert(
    models.PartyDay,
    PartyDayRow,
    conflict="""ON CONFLICT (day, role, scope_path, party_id) DO UPDATE
        SET sales_fen = stores_party_day.sales_fen + excluded.sales_fen,
            refunds_fen = stores_party_day.refunds_fen + excluded.refunds_fen,
            orders = stores_party_day.orders + excluded.orders""",
)
_ADD_TO_PATHS = BulkInsert(
    models.PathDay,
    PathDayRow,
    conflict="""ON CONFLICT (day, scope_path) DO UPDATE
        SET sales_fen = stores_path_day.sales_fen + excluded.sales_fen,
            refunds_fen = stores_path_day.refunds_fen + excluded.refunds_fen,
            orders = stores_path_day.orders + excluded.orders""",
)


@dataclass(slots=True)
class _Total:
    sales_fen: int = 0
    refunds_fen: int = 0
    orders: int = 0


async def add(session: Session, entries: Sequence[EntryRow]) -> None:
    """Add freshly written entries to the totals of their days; a sale's entries come together."""
    parties = [
        PartyDayRow(
            day=day,
            role=role,
            scope_path=path,
            party_id=party_id,
            sales_fen=total.sales_fen,
            refunds_fen=total.refunds_fen,
            orders=total.orders,
        )
        for ((day, role, party_id), path), total in _totals(entries, _party_day).items()
    ]
    paths = [
        PathDayRow(
            day=day, scope_path=path, sales_fen=total.sales_fen, refunds_fen=total.refunds_fen, orders=total.orders
        )
        for (day, path), total in _totals(entries, _day).items()
    ]
    await _ADD_TO_PARTIES.run(session, sorted(parties))
    await _ADD_TO_PATHS.run(session, sorted(paths))


def _party_day(entry: EntryRow) -> tuple[date, SplitRole, UUID]:
    return china_date(entry.business_at), entry.role, entry.guide_id or entry.store_id


def _day(entry: EntryRow) -> date:
    return china_date(entry.business_at)


def _totals(entries: Iterable[EntryRow], key: Callable[[EntryRow], K]) -> Mapping[tuple[K, str], _Total]:
    """What the entries come to by key and path."""
    totals: defaultdict[tuple[K, str], _Total] = defaultdict(_Total)
    sold_at: defaultdict[tuple[K, UUID], set[str]] = defaultdict(set)
    for entry in entries:
        total = totals[key(entry), entry.scope_path]
        if entry.kind is EntryKind.SALE:
            total.sales_fen += entry.amount_fen
            sold_at[key(entry), entry.order_id].add(entry.scope_path)
        else:
            total.refunds_fen -= entry.amount_fen
    for (of, _), paths in sold_at.items():
        for path, count in order_counts(paths).items():
            totals[of, path].orders += count
    return totals
