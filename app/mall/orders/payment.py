"""The one function that learns of an order's money: for the notification, for the client's "I paid" and for the sweep."""

from datetime import datetime
from uuid import UUID

from app import attribution, payments
from app.core import events
from app.core.db import Session, Statement, savepoint
from app.core.ids import OrderId
from app.core.settings import Settings
from app.ledger import Account
from app.mall import catalog
from app.mall.catalog import OutOfStock
from app.mall.orders.events import OrderPaid, PaidLine
from app.mall.orders.records import Order, lock
from app.mall.orders.schemas import OrderStatus
from app.payments import Charge, ChargeStatus, Collector, Due, Outcome, RefundKind
from app.wechat import Transaction

_PAID = Statement(
    """UPDATE mall_order SET status = 'paid', paid_fen = payable_fen, charge_id = :charge_id,
              transaction_id = :transaction_id, mchid = :mchid, paid_at = clock_timestamp(), closed_at = NULL,
              close_reason = NULL
       WHERE id = :order_id RETURNING paid_at""",
    datetime,
)
_SENT_BACK = Statement("UPDATE mall_order SET sent_back_fen = sent_back_fen + :amount_fen WHERE id = :order_id")


async def settle(session: Session, _: Settings, known: Charge, transaction: Transaction) -> Outcome:
    """Take a paid transaction into the order, its stock, the books and the log, once.

    An unpaid order becomes paid. A closed one is reserved again and paid if the units are there, else its money is
    refunded by itself; a second payment of a paid order is refunded by itself. A transaction that does not fit is
    recorded for finance and changes nothing (MISMATCH). The caller commits in every case.
    """
    order = await lock(session, known.subject_id)
    charge = await payments.lock_charge(session, known.id)
    if await _is_reserved(session, order, charge):
        outcome = await payments.settle(session, charge, transaction, credit=Account.CUSTOMER_PREPAID, about=order.id)
        if outcome is Outcome.SETTLED:
            await _sell(session, order, charge, transaction)
        elif order.row.status is OrderStatus.CLOSED:
            await catalog.release(session, order.row.place_id, order.quantities)
        return outcome
    kind = RefundKind.SECOND if order.row.status is OrderStatus.PAID else RefundKind.LATE
    outcome, _refund_id = await payments.send_back(
        session, charge, transaction, kind=kind, reason="订单已关闭或已支付，自动退款"
    )
    if outcome is Outcome.SETTLED:
        await _SENT_BACK.run(session, order_id=order.id, amount_fen=charge.amount_fen)
    return outcome


async def _is_reserved(session: Session, order: Order, charge: Charge) -> bool:
    """Whether units stand ready for this money: the order is unpaid, or closed and its units could be reserved once
    more."""
    if order.row.status is OrderStatus.UNPAID:
        return True
    if order.row.status is not OrderStatus.CLOSED or charge.status is ChargeStatus.SETTLED:
        return False
    try:
        async with savepoint(session):
            await catalog.reserve(session, order.row.place_id, order.quantities)
    except OutOfStock:
        return False
    return True


async def _sell(session: Session, order: Order, charge: Charge, transaction: Transaction) -> None:
    await catalog.commit(session, order.row.place_id, order.quantities)
    paid_at = await _PAID.one(
        session,
        order_id=order.id,
        charge_id=charge.id,
        transaction_id=transaction.transaction_id,
        mchid=transaction.mchid,
    )
    credit_of = await attribution.credits_of(session, [order.id])
    row = order.row
    await events.publish(
        session,
        OrderPaid(
            order_id=order.id,
            customer_id=row.customer_id,
            book=row.book,
            place_id=row.place_id,
            scope_path=row.scope_path,
            placed_at=row.placed_at,
            paid_at=paid_at,
            goods_fen=row.goods_fen,
            freight_fen=row.freight_fen,
            paid_fen=row.payable_fen,
            lines=tuple(
                PaidLine(
                    line_id=line.id,
                    product_id=line.product_id,
                    sku_id=line.sku_id,
                    title=line.title,
                    quantity=line.quantity,
                    goods_paid_fen=line.goods_paid_fen,
                    credit=credit_of[line.id],
                )
                for line in order.lines
            ),
        ),
    )


async def _still_due(session: Session, order_id: UUID) -> Due | None:
    order = await lock(session, order_id)
    if not order.is_payable:
        return None
    return Due(amount_fen=order.row.payable_fen, book=order.row.book, expires_at=order.row.expires_at)


COLLECTOR = Collector("order", OrderId, settle, _still_due)
"""How orders are paid."""
