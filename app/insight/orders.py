"""Why an order's credit is what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from app import attribution, distribution, stores
from app.attribution import LineExplanation
from app.core.auth import Actor
from app.core.db import Session
from app.distribution import EarnedCommission
from app.insight.schemas import (
    CommissionEarned,
    CreditedDistributor,
    CreditedGuide,
    CreditedStore,
    LineAttribution,
    OrderAttribution,
    PerformanceEarned,
)
from app.mall import orders
from app.stores import PerformanceEntry, SplitRole


@dataclass(frozen=True, slots=True)
class _Names:
    """What the parties are called; a party that is not known is left out."""

    distributors: dict[UUID, str]
    staff: dict[UUID, str]
    stores: dict[UUID, str]


async def explain_attribution(session: Session, actor: Actor, order_id: UUID) -> OrderAttribution:
    """Who is credited for an order within reach, why, and what each earned so far. Raises NotFound."""
    order = (await orders.read(session, order_id, **orders.reach_of(actor))).row
    lines = await attribution.explain(session, order_id)
    commissions = await distribution.earned_on(session, order_id)
    entries = await stores.performance_of(session, order_id)
    names = await _names(session, lines)
    return OrderAttribution(
        order=order.id,
        number=order.number,
        status=order.status,
        goods_fen=order.goods_fen,
        paid_fen=order.paid_fen,
        refunded_fen=order.refunded_fen,
        placed_at=order.placed_at,
        lines=[_line(line, commissions, entries, names) for line in lines],
    )


async def _names(session: Session, lines: Sequence[LineExplanation]) -> _Names:
    distributors = [party for line in lines for party in (line.distributor, line.upline) if party]
    refs = await stores.store_refs(session, [line.store for line in lines])
    return _Names(
        distributors=await distribution.distributor_names(session, distributors),
        staff=await stores.staff_names(session, [line.guide for line in lines if line.guide]),
        stores={store_id: ref.name for store_id, ref in refs.items()},
    )


def _line(
    line: LineExplanation,
    commissions: Sequence[EarnedCommission],
    entries: Sequence[PerformanceEntry],
    names: _Names,
) -> LineAttribution:
    by_level = {earned.level: earned for earned in commissions if earned.line_id == line.line}
    own = [entry for entry in entries if entry.line_id == line.line]
    return LineAttribution(
        line=line.line,
        distributor=_distributor(line.distributor, by_level.get(1), names),
        upline=_distributor(line.upline, by_level.get(2), names),
        distributor_reason=line.distributor_reason,
        guide=_guide(line.guide, own, names),
        guide_reason=line.guide_reason,
        store=CreditedStore(
            id=line.store, name=names.stores.get(line.store), performance=_performance(own, SplitRole.STORE)
        ),
        store_reason=line.store_reason,
        room=line.room,
        room_reason=line.room_reason,
        touchpoint=line.touchpoint,
        guide_touchpoint=line.guide_touchpoint,
        room_touchpoint=line.room_touchpoint,
        inviting_store=line.inviting_store,
        decided_at=line.decided_at,
    )


def _distributor(
    distributor_id: UUID | None, earned: EarnedCommission | None, names: _Names
) -> CreditedDistributor | None:
    if distributor_id is None:
        return None
    return CreditedDistributor(
        id=distributor_id,
        name=names.distributors.get(distributor_id),
        earned=None if earned is None else CommissionEarned.model_validate(earned),
    )


def _guide(guide_id: UUID | None, entries: Sequence[PerformanceEntry], names: _Names) -> CreditedGuide | None:
    if guide_id is None:
        return None
    return CreditedGuide(
        id=guide_id, name=names.staff.get(guide_id), performance=_performance(entries, SplitRole.GUIDE)
    )


def _performance(entries: Sequence[PerformanceEntry], role: SplitRole) -> PerformanceEarned:
    amounts = [entry.amount_fen for entry in entries if entry.role is role]
    sales_fen = sum(amount for amount in amounts if amount > 0)
    return PerformanceEarned(sales_fen=sales_fen, refunds_fen=sales_fen - sum(amounts), net_fen=sum(amounts))
