"""What a distributor sees of their own: money, commissions, links."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app import attribution, ledger, payees
from app.core.clock import CHINA, china_day
from app.core.db import Session, Statement
from app.core.errors import NotFound
from app.core.ids import CommissionId
from app.core.paging import Page, Paging
from app.distribution import links
from app.distribution.commissions import SOURCE
from app.distribution.links import LinkSales
from app.distribution.records import CommissionRow, commissions_of
from app.distribution.schemas import (
    ClawbackView,
    CommissionCredit,
    CommissionExplanation,
    CommissionReason,
    CommissionStatus,
    CommissionTerms,
    CommissionView,
    Earnings,
    EntryView,
    PeriodEarnings,
    ShareView,
    SummaryView,
)
from app.distribution.terms import TERMS
from app.payees import HoldRow


class _Earned(msgspec.Struct, frozen=True):
    level: int
    is_of_today: bool
    orders: int
    base_fen: int
    refunded_fen: int
    commission_fen: int
    clawed_back_fen: int


_NOW = Statement("SELECT clock_timestamp()", datetime)
# An order is paid in one moment, so no order is in two rows of a level.
_EARNED = Statement(
    """SELECT level, paid_at >= :day_from AS is_of_today, count(DISTINCT order_id) AS orders,
              sum(base_fen)::bigint AS base_fen, sum(refunded_fen)::bigint AS refunded_fen,
              sum(amount_fen)::bigint AS commission_fen, sum(clawed_back_fen)::bigint AS clawed_back_fen
       FROM distribution_commission
       WHERE distributor_id = :distributor_id AND paid_at >= :month_from AND paid_at < :day_to
       GROUP BY 1, 2""",
    _Earned,
    custom_plan=True,
)


async def summary(session: Session, distributor_id: UUID) -> SummaryView:
    """Today and this month by China's days, and where the money stands."""
    today = (await _NOW.one(session)).astimezone(CHINA).date()
    day_from, day_to = china_day(today)
    month_from, _ = china_day(today.replace(day=1))
    money = await payees.standing_of(session, distributor_id)
    earned = await _EARNED.all(
        session, distributor_id=distributor_id, day_from=day_from, day_to=day_to, month_from=month_from
    )
    return SummaryView(
        distributor=distributor_id,
        today=_of_period([row for row in earned if row.is_of_today]),
        this_month=_of_period(earned),
        held_fen=money.held_fen,
        available_fen=money.available_fen,
        debt_fen=money.debt_fen,
        paid_out_fen=money.paid_out_fen,
    )


def _of_period(earned: Sequence[_Earned]) -> PeriodEarnings:
    return PeriodEarnings(
        own=_sum([row for row in earned if row.level == 1]), team=_sum([row for row in earned if row.level == 2])
    )


def _sum(earned: Sequence[_Earned]) -> Earnings:
    commission_fen = sum(row.commission_fen for row in earned)
    clawed_back_fen = sum(row.clawed_back_fen for row in earned)
    return Earnings(
        orders=sum(row.orders for row in earned),
        base_fen=sum(row.base_fen for row in earned),
        refunded_fen=sum(row.refunded_fen for row in earned),
        commission_fen=commission_fen,
        clawed_back_fen=clawed_back_fen,
        net_fen=commission_fen - clawed_back_fen,
    )


def _reason(hold: HoldRow) -> CommissionReason:
    match hold.status:
        case CommissionStatus.RELEASED:
            return CommissionReason.RELEASED
        case CommissionStatus.REVERSED:
            return CommissionReason.REFUNDED
        case CommissionStatus.HELD:
            return CommissionReason.BLOCKED if hold.blocked_by else CommissionReason.AWAITING_RELEASE


def _view(row: CommissionRow, hold: HoldRow) -> CommissionView:
    return CommissionView(
        id=row.id,
        order=row.order_id,
        order_line=row.line_id,
        level=row.level,
        base_fen=row.base_fen,
        rate_bps=row.rate_bps,
        amount_fen=row.amount_fen,
        clawed_back_fen=row.clawed_back_fen,
        net_fen=row.net_fen,
        status=hold.status,
        reason=_reason(hold),
        blocked_by=hold.blocked_by,
        releases_at=hold.releases_at,
        paid_at=row.paid_at,
    )


async def list_commissions(
    session: Session, paging: Paging, distributor_id: UUID, *, status: CommissionStatus | None
) -> Page[CommissionView]:
    """A distributor's commissions, newest first; `status` narrows them. Raises CursorInvalid."""
    held = await payees.list_holds(session, paging, CommissionId, distributor_id, SOURCE, status=status)
    rows = await commissions_of(session, distributor_id, [hold.source_id for hold in held.items])
    return held.page([_view(rows[hold.source_id], hold) for hold in held.items])


async def explain(session: Session, distributor_id: UUID, commission_id: UUID) -> CommissionExplanation:
    """A distributor's commission with everything that made it what it is. Raises NotFound."""
    row = (await commissions_of(session, distributor_id, [commission_id])).get(commission_id)
    if row is None:
        raise NotFound
    holds = await payees.holds_of(session, SOURCE, [commission_id])
    terms = await TERMS.by_id(session, row.terms_id)
    clawed_back = await payees.clawbacks_of(session, SOURCE, commission_id)
    entries = await ledger.entries_about(session, commission_id)
    return CommissionExplanation(
        **_view(row, holds[commission_id][0]).model_dump(),
        credit=await _credit(session, row),
        terms=CommissionTerms(id=terms.id, rate_bps=row.rate_bps, hold_s=terms.hold_s, valid_from=terms.valid_from),
        clawbacks=[
            ClawbackView(refund=one.reason_id, amount_fen=one.amount_fen, created_at=one.created_at)
            for one in clawed_back
        ],
        entries=[
            EntryView(kind=entry.kind, account=entry.account, amount_fen=entry.amount_fen, posted_at=entry.posted_at)
            for entry in entries
        ],
    )


async def _credit(session: Session, row: CommissionRow) -> CommissionCredit | None:
    lines = await attribution.explain(session, row.order_id)
    line = next((line for line in lines if line.line == row.line_id), None)
    if line is None:
        return None
    return CommissionCredit(reason=line.distributor_reason, touchpoint=line.touchpoint, decided_at=line.decided_at)


async def list_shares(session: Session, paging: Paging, distributor_id: UUID) -> Page[ShareView]:
    """A distributor's links, newest first, with what was ordered through each. Raises CursorInvalid."""
    links_page = await attribution.shares_of(session, paging, distributor_id)
    sold = await links.sales_of(session, [link.id for link in links_page.items])
    return links_page.page([_share(link, sold.get(link.id)) for link in links_page.items])


def _share(link: attribution.ShareStat, sold: LinkSales | None) -> ShareView:
    return ShareView(
        id=link.id,
        product=link.product_id,
        room=link.room_id,
        visits=link.visits,
        new_visitors=link.new_visitors,
        orders=sold.orders if sold else 0,
        paid_fen=sold.paid_fen if sold else 0,
        created_at=link.created_at,
    )
