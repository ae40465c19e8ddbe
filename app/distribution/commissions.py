"""Commissions: earned when a line is paid, taken back when it is refunded. Their money is held by payees."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app import payees
from app.core.db import BulkInsert, Session, Statement
from app.core.events import Recorded, publish
from app.core.ids import new_id
from app.distribution.events import CommissionClawedBack, CommissionHeld
from app.distribution.models import Commission
from app.distribution.records import CommissionRow, commissions_of_order, lock_lines
from app.distribution.rules import Earning, Terms, claw, earnings
from app.distribution.schemas import CommissionStatus
from app.distribution.terms import TERMS
from app.ledger import Account
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid, PaidLine
from app.payees import Clawback, Hold

CONSUMER = "distribution.commissions"
"""The name of the consumer that records commissions."""

SOURCE = "commission"
"""The name that commissions hold money under."""

_INSERT = BulkInsert(Commission, CommissionRow, without=("clawed_back_fen", "refunded_fen"))
_TAKE = Statement(
    """UPDATE distribution_commission c SET clawed_back_fen = x.clawed_back_fen, refunded_fen = x.refunded_fen
       FROM unnest(:ids::uuid[], :clawed_back_fen::bigint[], :refunded_fen::bigint[])
           AS x(id, clawed_back_fen, refunded_fen)
       WHERE c.id = x.id"""
)


@dataclass(frozen=True, slots=True)
class EarnedCommission:
    """What one distributor earned on one line so far."""

    id: UUID
    line_id: UUID
    distributor_id: UUID
    level: int
    rate_bps: int
    amount_fen: int
    clawed_back_fen: int
    net_fen: int
    status: CommissionStatus


async def record(session: Session, batch: Sequence[Recorded[OrderPaid] | Recorded[RefundAgreed]]) -> None:
    """Hold the commissions of paid lines, then take back those of refunded ones. An order is paid before it is refunded,
    so all payments of a batch may go first.

    Raises asyncpg's UniqueViolationError for an event that was recorded before.
    """
    events = [recorded.event for recorded in batch]
    versions = await TERMS.until(session, max(event.placed_at for event in events))
    await _hold(session, [event for event in events if isinstance(event, OrderPaid)], versions)
    await _claw_back(session, [event for event in events if isinstance(event, RefundAgreed)])


async def _hold(session: Session, orders: Sequence[OrderPaid], versions: Sequence[Terms]) -> None:
    rows: list[CommissionRow] = []
    holds: list[Hold] = []
    told: list[CommissionHeld] = []
    for order in orders:
        terms = TERMS.at(versions, order.placed_at)
        releases_at = order.paid_at + timedelta(seconds=terms.hold_s)
        for line in order.lines:
            for earning in earnings(terms, line.credit, line.goods_paid_fen):
                row = _row(order, line, earning, terms.id)
                rows.append(row)
                holds.append(
                    Hold(
                        source=SOURCE,
                        source_id=row.id,
                        payee_id=row.distributor_id,
                        book=row.book,
                        amount_fen=row.amount_fen,
                        releases_at=releases_at,
                    )
                )
                told.append(
                    CommissionHeld(
                        commission_id=row.id,
                        distributor_id=row.distributor_id,
                        order_id=row.order_id,
                        line_id=row.line_id,
                        level=row.level,
                        book=row.book,
                        base_fen=row.base_fen,
                        rate_bps=row.rate_bps,
                        amount_fen=row.amount_fen,
                        releases_at=releases_at,
                    )
                )
    if rows:
        await _INSERT.run(session, rows)
        await payees.hold(session, holds, funded_by=Account.PAYOUT_COST)
        await publish(session, *told)


def _row(order: OrderPaid, line: PaidLine, earning: Earning, terms_id: UUID | None) -> CommissionRow:
    return CommissionRow(
        id=new_id(),
        order_id=order.order_id,
        line_id=line.line_id,
        distributor_id=earning.distributor_id,
        level=earning.level,
        book=order.book,
        base_fen=line.goods_paid_fen,
        rate_bps=earning.rate_bps,
        amount_fen=earning.amount_fen,
        terms_id=terms_id,
        paid_at=order.paid_at,
    )


async def _claw_back(session: Session, refunds: Sequence[RefundAgreed]) -> None:
    line_ids = {line.line_id for refund in refunds for line in refund.lines}
    by_line = await lock_lines(session, line_ids) if line_ids else {}
    taken: list[CommissionClawedBack] = []
    for refund in refunds:
        for line in refund.lines:
            for commission in by_line.get(line.line_id, ()):
                commission.refunded_fen = line.refunded_before_fen + line.amount_fen
                amount_fen = claw(
                    base_fen=commission.base_fen,
                    refunded_fen=commission.refunded_fen,
                    rate_bps=commission.rate_bps,
                    clawed_back_fen=commission.clawed_back_fen,
                )
                assert amount_fen >= 0, f"refunds of line {line.line_id} came out of order"
                if amount_fen:
                    taken.append(_take(commission, refund.refund_id, amount_fen))
    if by_line:
        await _write(session, [commission for line in by_line.values() for commission in line])
    if taken:
        await payees.claw_back(session, [_clawback(event) for event in taken], to=Account.PAYOUT_COST)
        await publish(session, *taken)


def _take(commission: CommissionRow, refund_id: UUID, amount_fen: int) -> CommissionClawedBack:
    commission.clawed_back_fen += amount_fen
    return CommissionClawedBack(
        commission_id=commission.id,
        distributor_id=commission.distributor_id,
        order_id=commission.order_id,
        line_id=commission.line_id,
        refund_id=refund_id,
        level=commission.level,
        book=commission.book,
        amount_fen=amount_fen,
        left_fen=commission.net_fen,
    )


def _clawback(event: CommissionClawedBack) -> Clawback:
    return Clawback(
        source=SOURCE,
        source_id=event.commission_id,
        payee_id=event.distributor_id,
        reason_id=event.refund_id,
        amount_fen=event.amount_fen,
    )


async def _write(session: Session, commissions: Sequence[CommissionRow]) -> None:
    await _TAKE.run(
        session,
        ids=[commission.id for commission in commissions],
        clawed_back_fen=[commission.clawed_back_fen for commission in commissions],
        refunded_fen=[commission.refunded_fen for commission in commissions],
    )


async def earned_on(session: Session, order_id: UUID) -> list[EarnedCommission]:
    """Every commission of one order, by line and level."""
    rows = await commissions_of_order(session, order_id)
    holds = await payees.holds_of(session, SOURCE, [row.id for row in rows])
    return [
        EarnedCommission(
            id=row.id,
            line_id=row.line_id,
            distributor_id=row.distributor_id,
            level=row.level,
            rate_bps=row.rate_bps,
            amount_fen=row.amount_fen,
            clawed_back_fen=row.clawed_back_fen,
            net_fen=row.net_fen,
            status=holds[row.id][0].status,
        )
        for row in rows
    ]
