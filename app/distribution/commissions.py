"""Commissions: held when a line is paid, taken back when it is refunded, together with their money in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app import ledger
from app.core import db
from app.core.db import AsyncSession
from app.core.events import Recorded, publish_many
from app.core.ids import new_id
from app.distribution.events import CommissionClawedBack, CommissionHeld
from app.distribution.rules import Earning, Terms, claw, earnings, terms_at
from app.distribution.schemas import CommissionStatus
from app.distribution.terms import versions_until
from app.ledger import Account, Transfer, credit, debit
from app.mall import OrderPaid, PaidLine, RefundAgreed


@dataclass(frozen=True, slots=True)
class EarnedCommission:
    """What one distributor earned on one line so far."""

    id: UUID
    line_id: UUID
    distributor_id: UUID
    level: int
    rate_bps: int
    amount_fen: int
    clawed_fen: int
    status: CommissionStatus

    @property
    def net_fen(self) -> int:
        return self.amount_fen - self.clawed_fen


async def record(session: AsyncSession, batch: Sequence[Recorded[OrderPaid] | Recorded[RefundAgreed]]) -> None:
    """Hold commissions of paid lines, then take back those of refunded ones. An order is paid before it is refunded, so
    all payments of a batch may go first. A fact that was recorded before breaks a UNIQUE."""
    facts = [recorded.fact for recorded in batch]
    versions = await versions_until(session, max(fact.placed_at for fact in facts))
    await _hold(session, [fact for fact in facts if isinstance(fact, OrderPaid)], versions)
    await _claw_back(session, [fact for fact in facts if isinstance(fact, RefundAgreed)])


@dataclass(frozen=True, slots=True)
class _New:
    id: UUID
    order: OrderPaid
    line: PaidLine
    earning: Earning
    terms: Terms

    @property
    def releases_at(self) -> datetime:
        return self.order.paid_at + timedelta(seconds=self.terms.hold_s)


_INSERT = """
INSERT INTO distribution_commission
    (id, order_id, line_id, distributor_id, level, book, base_fen, rate_bps, amount_fen, status, releases_at, terms_id,
     placed_at, paid_at)
SELECT id, order_id, line_id, distributor_id, level, book, base_fen, rate_bps, amount_fen, 'held', releases_at, terms_id,
       placed_at, paid_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::smallint[], $6::text[], $7::bigint[], $8::int[],
            $9::bigint[], $10::timestamptz[], $11::uuid[], $12::timestamptz[], $13::timestamptz[])
    AS x(id, order_id, line_id, distributor_id, level, book, base_fen, rate_bps, amount_fen, releases_at, terms_id,
         placed_at, paid_at)
"""


async def _hold(session: AsyncSession, orders: Sequence[OrderPaid], versions: Sequence[Terms]) -> None:
    new: list[_New] = []
    for order in orders:
        terms = terms_at(versions, order.placed_at)
        for line in order.lines:
            new += [
                _New(new_id(), order, line, earning, terms)
                for earning in earnings(terms, line.credit, line.goods_paid_fen)
            ]
    if not new:
        return
    rows = [
        (
            made.id,
            made.order.order_id,
            made.line.line_id,
            made.earning.distributor_id,
            made.earning.level,
            made.order.book,
            made.line.goods_paid_fen,
            made.earning.rate_bps,
            made.earning.amount_fen,
            made.releases_at,
            made.terms.id,
            made.order.placed_at,
            made.order.paid_at,
        )
        for made in new
    ]
    await db.execute(session, _INSERT, *(list(column) for column in zip(*rows, strict=True)))
    await ledger.post(session, *(_held_transfer(made) for made in new))
    await publish_many(session, [_held_fact(made) for made in new])


def _held_transfer(made: _New) -> Transfer:
    amount_fen = made.earning.amount_fen
    return Transfer(
        book=made.order.book,
        kind="commission_held",
        key=str(made.id),
        entries=(
            debit(Account.PAYOUT_COST, amount_fen, made.id),
            credit(Account.PAYEE_HELD, amount_fen, made.id, made.earning.distributor_id),
        ),
    )


def _held_fact(made: _New) -> CommissionHeld:
    return CommissionHeld(
        commission_id=made.id,
        distributor_id=made.earning.distributor_id,
        order_id=made.order.order_id,
        line_id=made.line.line_id,
        level=made.earning.level,
        book=made.order.book,
        base_fen=made.line.goods_paid_fen,
        rate_bps=made.earning.rate_bps,
        amount_fen=made.earning.amount_fen,
        releases_at=made.releases_at,
    )


@dataclass(slots=True)
class _Held:
    """A locked commission, changed in memory while the batch's refunds are applied one after the other."""

    id: UUID
    order_id: UUID
    line_id: UUID
    distributor_id: UUID
    level: int
    book: str
    base_fen: int
    rate_bps: int
    amount_fen: int
    clawed_fen: int
    refunded_fen: int
    status: str


async def _claw_back(session: AsyncSession, refunds: Sequence[RefundAgreed]) -> None:
    held = await _locked(session, {line.line_id for refund in refunds for line in refund.lines})
    taken: list[CommissionClawedBack] = []
    for refund in refunds:
        for line in refund.lines:
            for commission in held.get(line.line_id, ()):
                commission.refunded_fen = line.refunded_before_fen + line.amount_fen
                amount_fen = claw(
                    base_fen=commission.base_fen,
                    refunded_fen=commission.refunded_fen,
                    rate_bps=commission.rate_bps,
                    clawed_fen=commission.clawed_fen,
                )
                if amount_fen:
                    taken.append(_take(commission, refund.refund_id, amount_fen))
    if held:
        await _write(session, [commission for line in held.values() for commission in line])
    if taken:
        await _write_clawbacks(session, taken)
        await ledger.post(session, *(_clawed_transfer(fact) for fact in taken))
        await publish_many(session, taken)


async def _locked(session: AsyncSession, line_ids: set[UUID]) -> dict[UUID, list[_Held]]:
    """The lines' commissions, locked in the order of their ids."""
    rows = await db.fetch(
        session,
        """SELECT id, order_id, line_id, distributor_id, level, book, base_fen, rate_bps, amount_fen, clawed_fen,
                  refunded_fen, status
           FROM distribution_commission WHERE line_id = ANY($1) ORDER BY id FOR UPDATE""",
        list(line_ids),
    )
    by_line: dict[UUID, list[_Held]] = {}
    for row in rows:
        by_line.setdefault(row["line_id"], []).append(_Held(**dict(row)))
    return by_line


def _take(commission: _Held, refund_id: UUID, amount_fen: int) -> CommissionClawedBack:
    # A released commission has other postings (balance, then debt); to post those of a held one would be wrong.
    assert commission.status == CommissionStatus.HELD, f"commission {commission.id} is {commission.status}"
    assert amount_fen > 0, f"refunds of line {commission.line_id} came out of order"
    commission.clawed_fen += amount_fen
    left_fen = commission.amount_fen - commission.clawed_fen
    if left_fen == 0:
        commission.status = CommissionStatus.REVERSED
    return CommissionClawedBack(
        commission_id=commission.id,
        distributor_id=commission.distributor_id,
        order_id=commission.order_id,
        line_id=commission.line_id,
        refund_id=refund_id,
        level=commission.level,
        book=commission.book,
        amount_fen=amount_fen,
        left_fen=left_fen,
    )


async def _write(session: AsyncSession, commissions: Sequence[_Held]) -> None:
    await db.execute(
        session,
        """UPDATE distribution_commission c
           SET clawed_fen = x.clawed_fen, refunded_fen = x.refunded_fen, status = x.status
           FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[]) AS x(id, clawed_fen, refunded_fen, status)
           WHERE c.id = x.id""",
        [commission.id for commission in commissions],
        [commission.clawed_fen for commission in commissions],
        [commission.refunded_fen for commission in commissions],
        [str(commission.status) for commission in commissions],
    )


async def _write_clawbacks(session: AsyncSession, taken: Sequence[CommissionClawedBack]) -> None:
    await db.execute(
        session,
        """INSERT INTO distribution_clawback (id, commission_id, refund_id, amount_fen)
           SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[])""",
        [new_id() for _ in taken],
        [fact.commission_id for fact in taken],
        [fact.refund_id for fact in taken],
        [fact.amount_fen for fact in taken],
    )


def _clawed_transfer(fact: CommissionClawedBack) -> Transfer:
    return Transfer(
        book=fact.book,
        kind="commission_clawed_back",
        key=f"{fact.commission_id}:{fact.refund_id}",
        entries=(
            debit(Account.PAYEE_HELD, fact.amount_fen, fact.commission_id, fact.distributor_id),
            credit(Account.PAYOUT_COST, fact.amount_fen, fact.commission_id),
        ),
    )


async def earned_on(session: AsyncSession, order_id: UUID) -> list[EarnedCommission]:
    """Every commission of one order, by line and level."""
    rows = await db.fetch(
        session,
        """SELECT id, line_id, distributor_id, level, rate_bps, amount_fen, clawed_fen, status
           FROM distribution_commission WHERE order_id = $1 ORDER BY line_id, level""",
        order_id,
    )
    return [EarnedCommission(**{**dict(row), "status": CommissionStatus(row["status"])}) for row in rows]
