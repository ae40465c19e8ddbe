"""The ranking: who sold how much in a period, read from the totals of its days."""

from uuid import UUID

import msgspec

from app.core.auth import Actor, Role
from app.core.db import Listing, Session, within
from app.core.ids import StaffId, StoreId, UnitId, prefix_of, wire
from app.core.paging import Paging
from app.stores.errors import RegionsOutOfReach
from app.stores.rules import read_period
from app.stores.schemas import By, PerformanceItem, PerformanceView, SplitRole


class _Ranked(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    sales_fen: int
    refunds_fen: int
    net_fen: int
    orders: int
    moment: int


# Totals know only now. As of the moment that the first page showed, what was written since is taken off again: the entries
# with a higher number. A sale's entries are written together, so its order counts once in whatever holds one of them.
_DAY = "d.day BETWEEN :first AND :last"
_SINCE = "e.number > :moment AND e.business_at >= :from_at AND e.business_at < :to_at"
_WRITTEN_SINCE = """-coalesce(sum(e.amount_fen) FILTER (WHERE e.kind = 'sale'), 0) AS sales_fen,
    coalesce(sum(e.amount_fen) FILTER (WHERE e.kind = 'refund'), 0) AS refunds_fen,
    -count(DISTINCT e.order_id) FILTER (WHERE e.kind = 'sale') AS orders"""
_SUMS = """sum(t.sales_fen)::bigint AS sales_fen, sum(t.refunds_fen)::bigint AS refunds_fen,
    sum(t.sales_fen - t.refunds_fen)::bigint AS net_fen, sum(t.orders)::bigint AS orders"""
_NOT_NOTHING = "(sum(t.sales_fen), sum(t.refunds_fen), sum(t.orders)) <> (0, 0, 0)"


def _ranking(ranked: str) -> Listing[_Ranked]:
    return Listing(
        f"""WITH {ranked}
            SELECT id, name, sales_fen, refunds_fen, net_fen, orders,
                   coalesce(:moment::bigint, (SELECT max(number) FROM stores_performance)) AS moment FROM ranked
            WHERE {{filters}} ORDER BY net_fen DESC, id LIMIT :limit""",
        _Ranked,
        filters={"after": "(-net_fen, id) > (SELECT -a.net_fen, a.id FROM ranked a WHERE a.id = :after)"},
    )


def _of_parties(role: SplitRole, table: str) -> Listing[_Ranked]:
    return _ranking(
        f"""sums AS (
                SELECT t.id, {_SUMS} FROM (
                    SELECT d.party_id AS id, d.sales_fen, d.refunds_fen, d.orders FROM stores_party_day d
                    WHERE d.role = '{role}' AND {_DAY} AND {within("d.scope_path")}
                    UNION ALL
                    SELECT coalesce(e.guide_id, e.store_id), {_WRITTEN_SINCE} FROM stores_performance e
                    WHERE e.role = '{role}' AND {_SINCE} AND {within("e.scope_path")} GROUP BY 1
                ) t GROUP BY t.id HAVING {_NOT_NOTHING}
            ),
            ranked AS (SELECT s.id, p.name, s.sales_fen, s.refunds_fen, s.net_fen, s.orders
                       FROM sums s JOIN {table} p ON p.id = s.id)"""
    )


_RANKINGS = {
    By.GUIDE: (StaffId, _of_parties(SplitRole.GUIDE, "stores_staff")),
    By.STORE: (StoreId, _of_parties(SplitRole.STORE, "stores_store")),
    # A sale below a region below a region counts for both.
    By.REGION: (
        UnitId,
        _ranking(
            f"""path AS MATERIALIZED (
                    SELECT d.scope_path, sum(d.sales_fen) AS sales_fen, sum(d.refunds_fen) AS refunds_fen,
                           sum(d.orders) AS orders
                    FROM stores_path_day d WHERE {_DAY} AND {within("d.scope_path")} GROUP BY d.scope_path
                ),
                since AS MATERIALIZED (
                    SELECT e.scope_path, e.kind, e.amount_fen, e.order_id FROM stores_performance e
                    WHERE {_SINCE} AND {within("e.scope_path")}
                ),
                ranked AS (
                    SELECT t.id, t.name, {_SUMS} FROM (
                        SELECT u.id, u.name, p.sales_fen, p.refunds_fen, p.orders FROM path p
                        JOIN stores_unit u ON u.kind = 'region' AND starts_with(p.scope_path, u.path)
                        WHERE {within("u.path")}
                        UNION ALL
                        SELECT u.id, u.name, {_WRITTEN_SINCE} FROM since e
                        JOIN stores_unit u ON u.kind = 'region' AND starts_with(e.scope_path, u.path)
                        WHERE {within("u.path")} GROUP BY u.id
                    ) t GROUP BY t.id, t.name HAVING {_NOT_NOTHING}
                )"""
        ),
    ),
}


async def rank(session: Session, actor: Actor, paging: Paging, *, by: By, period: str) -> PerformanceView:
    """Who sold how much in a period, within scope, best first; the pages after the first show the same moment.

    Raises PeriodUnreadable, CursorInvalid, and RegionsOutOfReach for staff who reach no whole region.
    """
    if by is By.REGION and actor.role not in (Role.REGION, Role.HQ):
        raise RegionsOutOfReach
    read = read_period(period)
    id_type, listing = _RANKINGS[by]
    rows = await paging.rows_as_of(
        session,
        id_type,
        listing,
        first=read.first,
        last=read.last,
        from_at=read.from_at,
        to_at=read.to_at,
        scope=actor.scope,
    )
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
