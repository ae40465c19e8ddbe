"""The ranking: who sold how much in a period, read from the totals of its days."""

from typing import Any
from uuid import UUID

import msgspec

from app.core.auth import Actor, Role
from app.core.db import Listing, Session, within
from app.core.ids import StaffId, StoreId, UnitId, prefix_of, wire
from app.core.paging import Paging
from app.stores.errors import MeasureNotOfGuides, RegionsOutOfReach
from app.stores.rules import read_period
from app.stores.schemas import By, Measure, Party, PerformanceItem, PerformanceView
from app.stores.totals import COUNTED, FIGURES


class _Ranked(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    sales_fen: int
    refunds_fen: int
    net_fen: int
    orders: int
    own_part_fen: int
    guides_part_fen: int
    fulfilled_fen: int
    inviting_fen: int
    moment: int


# Totals know only now. As of the moment that the first page showed, what was written since is taken off again: the entries
# with a higher number. A sale's entries are written together, so its order counts once in whatever holds one of them.
_DAY = "d.day BETWEEN :first AND :last"
_SINCE = f"""stores_performance e {COUNTED}
    WHERE e.number > :moment AND e.business_at >= :from_at AND e.business_at < :to_at
      AND c.party_id IS NOT NULL AND {within("c.path")}"""
_FIGURES = ", ".join(FIGURES)


def _written_since(entry: str) -> str:
    """Sums of what entries count (`c`), to be taken off; `entry` is the alias that has their kind and order."""
    sale, refund = f"{entry}.kind = 'sale'", f"{entry}.kind = 'refund'"
    return f"""-coalesce(sum(c.credited_fen) FILTER (WHERE {sale}), 0) AS sales_fen,
        coalesce(sum(c.credited_fen) FILTER (WHERE {refund}), 0) AS refunds_fen,
        -count(DISTINCT {entry}.order_id) FILTER (WHERE {sale} AND c.credited_fen IS NOT NULL) AS orders,
        -sum(c.own_part_fen) AS own_part_fen, -sum(c.fulfilled_fen) AS fulfilled_fen,
        -sum(c.inviting_fen) AS inviting_fen"""


_SUMS = """sum(t.sales_fen)::bigint AS sales_fen, sum(t.refunds_fen)::bigint AS refunds_fen,
    sum(t.sales_fen - t.refunds_fen)::bigint AS net_fen, sum(t.orders)::bigint AS orders,
    sum(t.own_part_fen)::bigint AS own_part_fen,
    sum(t.sales_fen - t.refunds_fen - t.own_part_fen)::bigint AS guides_part_fen,
    sum(t.fulfilled_fen)::bigint AS fulfilled_fen, sum(t.inviting_fen)::bigint AS inviting_fen"""
_NOT_NOTHING = """(sum(t.sales_fen), sum(t.refunds_fen), sum(t.orders), sum(t.own_part_fen), sum(t.fulfilled_fen),
    sum(t.inviting_fen)) <> (0, 0, 0, 0, 0, 0)"""
_RANKED_BY = "sales_fen, refunds_fen, net_fen, orders, own_part_fen, guides_part_fen, fulfilled_fen, inviting_fen"
_COLUMN = {measure: "net_fen" if measure is Measure.CREDITED else f"{measure}_fen" for measure in Measure}


def _ranking(ranked: str, measure: Measure) -> Listing[_Ranked]:
    column = _COLUMN[measure]
    return Listing(
        f"""WITH {ranked}
            SELECT id, name, {_RANKED_BY},
                   coalesce(:moment::bigint, (SELECT max(number) FROM stores_performance)) AS moment FROM ranked
            WHERE {{filters}} ORDER BY {column} DESC, id LIMIT :limit""",
        _Ranked,
        filters={"after": f"(-{column}, id) > (SELECT -a.{column}, a.id FROM ranked a WHERE a.id = :after)"},
    )


def _of_parties(party: Party, table: str) -> str:
    return f"""sums AS (
            SELECT t.id, {_SUMS} FROM (
                SELECT d.party_id AS id, {_FIGURES} FROM stores_party_day d
                WHERE d.role = '{party}' AND {_DAY} AND {within("d.scope_path")}
                UNION ALL
                SELECT c.party_id, {_written_since("e")} FROM {_SINCE} AND c.party = '{party}' GROUP BY 1
            ) t GROUP BY t.id HAVING {_NOT_NOTHING}
        ),
        ranked AS (SELECT s.id, p.name, {_RANKED_BY} FROM sums s JOIN {table} p ON p.id = s.id)"""


# A sale below a region below a region counts for both.
_OF_REGIONS = f"""path AS MATERIALIZED (
        SELECT d.scope_path, {", ".join(f"sum(d.{name}) AS {name}" for name in FIGURES)}
        FROM stores_path_day d WHERE {_DAY} AND {within("d.scope_path")} GROUP BY d.scope_path
    ),
    since AS MATERIALIZED (
        SELECT e.kind, e.order_id, c.path, c.credited_fen, c.own_part_fen, c.fulfilled_fen, c.inviting_fen
        FROM {_SINCE} AND c.party = 'store'
    ),
    ranked AS (
        SELECT t.id, t.name, {_SUMS} FROM (
            SELECT u.id, u.name, {_FIGURES} FROM path p
            JOIN stores_unit u ON u.kind = 'region' AND starts_with(p.scope_path, u.path)
            WHERE {within("u.path")}
            UNION ALL
            SELECT u.id, u.name, {_written_since("c")} FROM since c
            JOIN stores_unit u ON u.kind = 'region' AND starts_with(c.path, u.path)
            WHERE {within("u.path")} GROUP BY u.id
        ) t GROUP BY t.id, t.name HAVING {_NOT_NOTHING}
    )"""
_RANKED = {
    By.GUIDE: _of_parties(Party.GUIDE, "stores_staff"),
    By.STORE: _of_parties(Party.STORE, "stores_store"),
    By.REGION: _OF_REGIONS,
}
_RANKINGS = {(by, measure): _ranking(ranked, measure) for by, ranked in _RANKED.items() for measure in Measure}
_ID_TYPES: dict[By, Any] = {By.GUIDE: StaffId, By.STORE: StoreId, By.REGION: UnitId}
_OF_GUIDES = (Measure.CREDITED, Measure.OWN_PART)


async def rank(
    session: Session, actor: Actor, paging: Paging, *, by: By, measure: Measure, period: str
) -> PerformanceView:
    """Who sold how much in a period, within scope, best first; the pages after the first show the same moment.

    Raises PeriodUnreadable, CursorInvalid, MeasureNotOfGuides, and RegionsOutOfReach for staff who reach no whole region.
    """
    if by is By.GUIDE and measure not in _OF_GUIDES:
        raise MeasureNotOfGuides
    if by is By.REGION and actor.role not in (Role.REGION, Role.HQ):
        raise RegionsOutOfReach
    read = read_period(period)
    id_type = _ID_TYPES[by]
    rows = await paging.rows_as_of(
        session,
        id_type,
        _RANKINGS[by, measure],
        first=read.first,
        last=read.last,
        from_at=read.from_at,
        to_at=read.to_at,
        scope=actor.scope,
    )
    return PerformanceView(
        by=by,
        measure=measure,
        period=period,
        from_at=read.from_at,
        to_at=read.to_at,
        items=[_item(row, by) for row in rows.items],
        next=rows.next,
        count=rows.count,
    )


def _item(row: _Ranked, by: By) -> PerformanceItem:
    of_stores = by is not By.GUIDE
    return PerformanceItem(
        id=wire(prefix_of(_ID_TYPES[by]), row.id),
        name=row.name,
        sales_fen=row.sales_fen,
        refunds_fen=row.refunds_fen,
        net_fen=row.net_fen,
        orders=row.orders,
        own_part_fen=row.own_part_fen,
        guides_part_fen=row.guides_part_fen if of_stores else None,
        fulfilled_fen=row.fulfilled_fen if of_stores else None,
        inviting_fen=row.inviting_fen if of_stores else None,
    )
