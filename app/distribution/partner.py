"""What a distributor sees of his own: money, commissions, links."""

from datetime import date, datetime
from uuid import UUID

import asyncpg

from app import attribution, ledger
from app.core import db
from app.core.clock import CHINA, china_day
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.http import Page
from app.core.http.pages import Paging
from app.distribution import links, terms
from app.distribution.schemas import (
    ClawbackView,
    CommissionCredit,
    CommissionExplanation,
    CommissionReason,
    CommissionStatus,
    CommissionView,
    Earnings,
    EntryView,
    ShareView,
    SummaryView,
)

_COMMISSION = """
SELECT id, order_id, line_id, level, base_fen, rate_bps, amount_fen, clawed_fen, status, releases_at, paid_at, terms_id,
       releases_at > clock_timestamp() AS waiting
FROM distribution_commission
"""


_EARNINGS = """
SELECT count(DISTINCT order_id) FILTER (WHERE paid_at >= $2) AS today_orders,
       coalesce(sum(base_fen) FILTER (WHERE paid_at >= $2), 0)::bigint AS today_base_fen,
       coalesce(sum(amount_fen - clawed_fen) FILTER (WHERE paid_at >= $2), 0)::bigint AS today_commission_fen,
       count(DISTINCT order_id) AS month_orders, coalesce(sum(base_fen), 0)::bigint AS month_base_fen,
       coalesce(sum(amount_fen - clawed_fen), 0)::bigint AS month_commission_fen
FROM distribution_commission WHERE distributor_id = $1 AND paid_at >= $3 AND paid_at < $4
"""


async def summary(session: AsyncSession, distributor_id: UUID) -> SummaryView:
    """Today and this month by China's days, and where the money stands."""
    now: datetime = await db.fetchval(session, "SELECT clock_timestamp()")
    today: date = now.astimezone(CHINA).date()
    day_from, day_to = china_day(today)
    month_from = china_day(today.replace(day=1))[0]
    money = await ledger.standing_of(session, distributor_id)
    row = await db.fetchrow(session, _EARNINGS, distributor_id, day_from, month_from, day_to)
    assert row is not None
    return SummaryView(
        distributor=distributor_id,
        today=_earnings(row, "today"),
        this_month=_earnings(row, "month"),
        held_fen=money.held_fen,
        available_fen=money.available_fen,
        debt_fen=money.debt_fen,
        paid_out_fen=money.paid_out_fen,
    )


def _earnings(row: asyncpg.Record, period: str) -> Earnings:
    return Earnings(
        orders=row[f"{period}_orders"],
        base_fen=row[f"{period}_base_fen"],
        commission_fen=row[f"{period}_commission_fen"],
    )


def _reason(row: asyncpg.Record) -> CommissionReason:
    match CommissionStatus(row["status"]):
        case CommissionStatus.RELEASED:
            return CommissionReason.RELEASED
        case CommissionStatus.REVERSED:
            return CommissionReason.REFUNDED
        case CommissionStatus.HELD:
            return CommissionReason.AFTER_SALE_WINDOW if row["waiting"] else CommissionReason.AWAITING_RELEASE


def _view(row: asyncpg.Record) -> CommissionView:
    return CommissionView(
        id=row["id"],
        order=row["order_id"],
        order_line=row["line_id"],
        level=row["level"],
        base_fen=row["base_fen"],
        rate_bps=row["rate_bps"],
        amount_fen=row["amount_fen"],
        clawed_fen=row["clawed_fen"],
        net_fen=row["amount_fen"] - row["clawed_fen"],
        status=row["status"],
        reason=_reason(row),
        releases_at=row["releases_at"],
        paid_at=row["paid_at"],
    )


async def list_commissions(
    session: AsyncSession, distributor_id: UUID, status: CommissionStatus | None, paging: Paging
) -> Page[CommissionView]:
    """Own commissions, of one status if asked, newest first."""
    rows = await db.fetch(
        session,
        f"""{_COMMISSION}
            WHERE distributor_id = $1 AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR id < $3)
            ORDER BY id DESC LIMIT $4""",
        distributor_id,
        status.value if status else None,
        paging.after_id("com"),
        paging.limit + 1,
    )
    return paging.page("com", [_view(row) for row in rows], [row["id"] for row in rows])


async def explain(session: AsyncSession, distributor_id: UUID, commission_id: UUID) -> CommissionExplanation:
    """One own commission with everything that made it what it is. Raises NotFound."""
    row = await db.fetchrow(
        session, f"{_COMMISSION} WHERE id = $1 AND distributor_id = $2", commission_id, distributor_id
    )
    if row is None:
        raise NotFound
    lines = await attribution.explain(session, row["order_id"])
    line = next((line for line in lines if line.line == row["line_id"]), None)
    clawbacks = await db.fetch(
        session,
        """SELECT refund_id AS refund, amount_fen, made_at FROM distribution_clawback
           WHERE commission_id = $1 ORDER BY id LIMIT 100""",
        commission_id,
    )
    return CommissionExplanation(
        **_view(row).model_dump(),
        credit=line
        and CommissionCredit(reason=line.distributor_reason, touchpoint=line.touchpoint, decided_at=line.decided_at),
        terms=await terms.by_id(session, row["terms_id"]),
        clawbacks=[ClawbackView(**dict(clawback)) for clawback in clawbacks],
        entries=[
            EntryView(
                kind=entry["kind"],
                account=entry["account"],
                amount_fen=entry["amount_fen"],
                posted_at=entry["posted_at"],
            )
            for entry in await ledger.entries_about(session, commission_id)
        ],
    )


async def list_shares(session: AsyncSession, distributor_id: UUID, paging: Paging) -> Page[ShareView]:
    """Own links, newest first, with what was ordered through each."""
    stats = await attribution.shares_of(session, distributor_id, after=paging.after_id("tpt"), limit=paging.limit + 1)
    sold = await links.sales_of(session, [stat.id for stat in stats])
    views = [_share(stat, sold.get(stat.id, links.NO_SALES)) for stat in stats]
    return paging.page("tpt", views, [stat.id for stat in stats])


def _share(stat: attribution.ShareStat, sold: links.LinkSales) -> ShareView:
    return ShareView(
        id=stat.id,
        product=stat.product_id,
        room=stat.room_id,
        visits=stat.visits,
        new_visitors=stat.new_visitors,
        orders=sold.orders,
        paid_fen=sold.paid_fen,
        made_at=stat.made_at,
    )
