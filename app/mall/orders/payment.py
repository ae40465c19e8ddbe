"""The one verb that learns of money: for the notification, for the client's "I paid" and for the sweep."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app import attribution, payments
from app.core import db, events
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.ledger import Account
from app.mall.catalog import stock
from app.mall.errors import OutOfStock
from app.mall.events import OrderPaid, PaidLine
from app.payments import Charge, ChargeStatus, Outcome, SubjectKind
from app.wechat import Transaction


@dataclass(frozen=True, slots=True)
class LockedOrder:
    """An order whose row this transaction holds, with its lines."""

    row: asyncpg.Record
    lines: list[asyncpg.Record]

    @property
    def id(self) -> UUID:
        order_id: UUID = self.row["id"]
        return order_id

    @property
    def quantities(self) -> dict[UUID, int]:
        return {line["sku_id"]: line["quantity"] for line in self.lines}


async def lock_order(session: AsyncSession, order_id: UUID) -> LockedOrder:
    """Hold the order's row: first in the one lock order. Raises NotFound."""
    row = await db.fetchrow(session, "SELECT * FROM mall_order WHERE id = $1 FOR UPDATE", order_id)
    if row is None:
        raise NotFound
    lines = await db.fetch(session, "SELECT * FROM mall_order_line WHERE order_id = $1 ORDER BY id", order_id)
    return LockedOrder(row, lines)


async def take_payment(session: AsyncSession, transaction: Transaction) -> Outcome:
    """Take a paid transaction into the order, its stock, the books and the log, once.

    An unpaid order becomes paid. A closed one is reserved again and paid if the units are there, else its money is
    refunded by itself; a second payment of a paid order is refunded by itself. A transaction that fits no charge is
    recorded for finance and changes nothing (MISMATCH). The caller commits in every case.
    """
    known = await payments.charge_of(session, transaction)
    if known is None or known.subject_kind is not SubjectKind.ORDER:
        await payments.record_discrepancy(session, transaction, kind="unknown", charge=known)
        return Outcome.MISMATCH
    order = await lock_order(session, known.subject_id)
    charge = await payments.find_charge(session, known.id)
    assert charge is not None
    if charge.status is ChargeStatus.SETTLED and charge.transaction_id == transaction.transaction_id:
        return Outcome.ALREADY_SETTLED
    if await _may_sell(session, order, charge, transaction):
        outcome = await payments.settle(session, charge, transaction, credit=Account.CUSTOMER_PREPAID, about=order.id)
        if outcome is Outcome.SETTLED:
            await _sell(session, order, charge, transaction)
        return outcome
    outcome, _ = await payments.send_back(session, charge, transaction, reason="订单已关闭或已支付，自动退款")
    return outcome


async def _may_sell(session: AsyncSession, order: LockedOrder, charge: Charge, transaction: Transaction) -> bool:
    """Whether this money buys the order: it is unpaid, or closed and its units could be reserved once more."""
    if order.row["status"] == "unpaid":
        return True
    if order.row["status"] != "closed" or charge.status is ChargeStatus.SETTLED:
        return False
    if not await payments.fits(session, charge, transaction):
        return False
    try:
        async with db.savepoint(session):
            await stock.reserve(session, order.row["place_id"], order.quantities)
    except OutOfStock:
        return False
    return True


async def _sell(session: AsyncSession, order: LockedOrder, charge: Charge, transaction: Transaction) -> None:
    await stock.commit(session, order.row["place_id"], order.quantities)
    paid_at = await db.fetchval(
        session,
        """UPDATE mall_order SET status = 'paid', paid_fen = payable_fen, charge_id = $2, transaction_id = $3, mchid = $4,
                  paid_at = clock_timestamp(), closed_at = NULL, close_reason = NULL
           WHERE id = $1 AND status <> 'paid' RETURNING paid_at""",
        order.id,
        charge.id,
        transaction.transaction_id,
        transaction.mchid,
    )
    assert paid_at is not None, "the row is held and was not paid"
    credit_of = await attribution.frozen_credits(session, order.id)
    await events.publish(
        session,
        OrderPaid(
            order_id=order.id,
            customer_id=order.row["customer_id"],
            book=order.row["book"],
            place_id=order.row["place_id"],
            scope_path=order.row["scope_path"],
            placed_at=order.row["placed_at"],
            paid_at=paid_at,
            goods_fen=order.row["goods_fen"],
            freight_fen=order.row["freight_fen"],
            paid_fen=order.row["payable_fen"],
            lines=tuple(
                PaidLine(
                    line_id=line["id"],
                    product_id=line["product_id"],
                    sku_id=line["sku_id"],
                    title=line["title"],
                    quantity=line["quantity"],
                    goods_paid_fen=line["goods_paid_fen"],
                    credit=credit_of[line["id"]],
                )
                for line in order.lines
            ),
        ),
    )
