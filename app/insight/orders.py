"""Why an order's credit is what it is."""

from collections.abc import Sequence
from uuid import UUID

from app import attribution, distribution, mall, stores
from app.attribution import LineExplanation
from app.core.auth import Actor
from app.core.db import AsyncSession
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
from app.stores import PerformanceEntry, SplitRole


async def attribution_of(session: AsyncSession, actor: Actor, order_id: UUID) -> OrderAttribution:
    """Who is credited for an order within scope, why, and what each earned so far. Raises NotFound."""
    head = await mall.order_head_in_scope(session, actor, order_id)
    lines = await attribution.explain(session, order_id)
    commissions = await distribution.earned_on(session, order_id)
    entries = await stores.performance_of(session, order_id)
    distributor_names = await distribution.distributor_names(
        session, [id_ for line in lines for id_ in (line.distributor, line.upline) if id_]
    )
    staff_names = await stores.staff_names(session, [line.guide for line in lines if line.guide])
    store_names = {id_: ref.name for id_, ref in (await stores.store_refs(session, [x.store for x in lines])).items()}
    names = distributor_names | staff_names | store_names
    return OrderAttribution(
        order=head.id,
        number=head.number,
        status=head.status,
        goods_fen=head.goods_fen,
        paid_fen=head.paid_fen,
        refunded_fen=head.refunded_fen,
        placed_at=head.placed_at,
        lines=[_line(line, commissions, entries, names) for line in lines],
    )


def _line(
    line: LineExplanation,
    commissions: Sequence[EarnedCommission],
    entries: Sequence[PerformanceEntry],
    names: dict[UUID, str],
) -> LineAttribution:
    by_level = {earned.level: earned for earned in commissions if earned.line_id == line.line}
    own = [entry for entry in entries if entry.line_id == line.line]
    return LineAttribution(
        line=line.line,
        distributor=_distributor(line.distributor, by_level.get(1), names),
        upline=_distributor(line.upline, by_level.get(2), names),
        distributor_reason=line.distributor_reason,
        guide=line.guide
        and CreditedGuide(id=line.guide, name=names.get(line.guide), performance=_performance(own, SplitRole.GUIDE)),
        guide_reason=line.guide_reason,
        store=CreditedStore(id=line.store, name=names.get(line.store), performance=_performance(own, SplitRole.STORE)),
        store_reason=line.store_reason,
        room=line.room,
        room_reason=line.room_reason,
        touchpoint=line.touchpoint,
        guide_touchpoint=line.guide_touchpoint,
        room_touchpoint=line.room_touchpoint,
        decided_at=line.decided_at,
    )


def _distributor(
    distributor_id: UUID | None, earned: EarnedCommission | None, names: dict[UUID, str]
) -> CreditedDistributor | None:
    if distributor_id is None:
        return None
    return CreditedDistributor(
        id=distributor_id,
        name=names.get(distributor_id),
        earned=earned and CommissionEarned.model_validate(earned),
    )


def _performance(entries: Sequence[PerformanceEntry], role: SplitRole) -> PerformanceEarned:
    amounts = [entry.amount_fen for entry in entries if entry.role is role]
    sales_fen = sum(amount for amount in amounts if amount > 0)
    return PerformanceEarned(sales_fen=sales_fen, refunds_fen=sales_fen - sum(amounts), net_fen=sum(amounts))
