"""The ranking: who sold how much in a period, read from the totals of its days."""

from uuid import UUID

import msgspec

from app.core.auth import Actor, Role
from app.core.db import Listing, Session, within
from app.core.ids import StaffId, StoreId, UnitId, prefix_of, wire
from app.core.paging import Paging
from app.stores.errors import RegionsOutOfReach
from app.stores.rules import read_period
from app.stores.schemas import By, PerformanceItem, PerformanceView


class _Ranked(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    sales_fen: int
    refunds_fen: int
    net_fen: int
    orders: int


_SUMS = """sum(d.sales_fen)::bigint AS sales_fen, sum(d.refunds_fen)::bigint AS refunds_fen,
           sum(d.sales_fen - d.refunds_fen)::bigint AS net_fen, sum(d.orders)::bigint AS orders"""
_WITHIN = f"d.day BETWEEN :first AND :last AND {within('d.scope_path')}"


def _ranking(sums: str) -> Listing[_Ranked]:
    return Listing(
        f"""WITH {sums}
            SELECT id, name, sales_fen, refunds_fen, net_fen, orders FROM ranked
            WHERE {{filters}} ORDER BY net_fen DESC, id LIMIT :limit""",
        _Ranked,
        filters={"after": "(-net_fen, id) > (SELECT -a.net_fen, a.id FROM ranked a WHERE a.id = :after)"},
    )


def _of_parties(role: str, table: str) -> Listing[_Ranked]:
    return _ranking(
        f"""sums AS (SELECT d.party_id AS id, {_SUMS} FROM stores_party_day d
                     WHERE d.role = '{role}' AND {_WITHIN} GROUP BY d.party_id),
            ranked AS (SELECT s.id, p.name, s.sales_fen, s.refunds_fen, s.net_fen, s.orders
                       FROM sums s JOIN {table} p ON p.id = s.id)"""
    )


_RANKINGS = {
    By.GUIDE: (StaffId, _of_parties("guide", "stores_staff")),
    By.STORE: (StoreId, _of_parties("store", "stores_store")),
    # A sale below a region below a region counts for both.
    By.REGION: (
        UnitId,
        _ranking(
            f"""d AS MATERIALIZED (SELECT d.scope_path, {_SUMS} FROM stores_path_day d WHERE {_WITHIN} GROUP BY d.scope_path),
                ranked AS (SELECT u.id, u.name, {_SUMS} FROM d
                           JOIN stores_unit u ON u.kind = 'region' AND starts_with(d.scope_path, u.path)
                           WHERE {within("u.path")} GROUP BY u.id)"""
        ),
    ),
}


async def rank(session: Session, actor: Actor, paging: Paging, *, by: By, period: str) -> PerformanceView:
    """Who sold how much in a period, within scope, best first.

    Raises PeriodUnreadable, CursorInvalid, and RegionsOutOfReach for staff who reach no whole region.
    """
    if by is By.REGION and actor.role not in (Role.REGION, Role.HQ):
        raise RegionsOutOfReach
    read = read_period(period)
    id_type, listing = _RANKINGS[by]
    rows = await paging.rows(session, id_type, listing, first=read.first, last=read.last, scope=actor.scope)
    return PerformanceView(
        by=by,
        period=period,
        from_at=read.from_at,
        to_at=read.to_at,
        items=[_item(row, prefix_of(id_type)) for row in rows.items],
        next=rows.next,
        count=rows.count,
    )


def _item(row: _Ranked, prefix: str) -> PerformanceItem:
    return PerformanceItem(
        id=wire(prefix, row.id),
        name=row.name,
        sales_fen=row.sales_fen,
        refunds_fen=row.refunds_fen,
        net_fen=row.net_fen,
        orders=row.orders,
    )
