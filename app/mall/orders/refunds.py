"""Refunds of paid orders: agreed in one transaction, from stock to books to log; sent by payments."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from app import attribution, ledger, payments
from app.attribution import LineCredit
from app.core import db, events
from app.core.auth import Actor
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.ids import wire
from app.ledger import Account, Transfer
from app.mall.catalog import stock
from app.mall.errors import NothingToRefund, RefundNotSensible
from app.mall.events import RefundAgreed, RefundedLine, RefundPaid
from app.mall.orders.payment import LockedOrder, lock_order
from app.mall.orders.reading import order_in_scope
from app.mall.orders.rules import refund_of_units
from app.mall.orders.schemas import RefundCreate, RefundLineAsked


@dataclass(frozen=True, slots=True)
class _Part:
    line: asyncpg.Record
    units: int
    restocked: int
    amount_fen: int


async def agree(session: AsyncSession, actor: Actor, *, refund_id: UUID, order_id: UUID, asked: RefundCreate) -> None:
    """Owe a refund from now on; payments sends it after the commit. Goods may come back after their money went: a refund
    that comes to 0 restocks them and is done.

    Raises NotFound outside the actor's scope, NothingToRefund, and RefundNotSensible for a line that asks for more than
    is left; then nothing is written.
    """
    await order_in_scope(session, actor, order_id)
    order = await lock_order(session, order_id)
    if order.row["status"] != "paid":
        raise NothingToRefund
    parts = _parts(order, asked)
    freight_left = order.row["freight_fen"] - order.row["freight_refunded_fen"]
    if asked.freight_fen > freight_left:
        raise RefundNotSensible(freight_left_fen=freight_left)
    amount_fen = sum(part.amount_fen for part in parts) + asked.freight_fen
    if not parts and amount_fen == 0:
        raise RefundNotSensible(reason="nothing")
    await _count(session, order, parts, asked.freight_fen, amount_fen)
    agreed_at = await _write(session, actor, refund_id, order, asked, parts, amount_fen)
    if amount_fen:
        await payments.request_refund(
            session,
            refund_id=refund_id,
            charge_id=order.row["charge_id"],
            amount_fen=amount_fen,
            reason=asked.reason,
        )
    await _post(session, refund_id, order, amount_fen)
    returned = {part.line["sku_id"]: part.restocked for part in parts if part.restocked}
    if returned:
        await stock.restock(session, order.row["place_id"], returned)
    credit_of = await attribution.frozen_credits(session, order_id)
    await events.publish(
        session,
        RefundAgreed(
            refund_id=refund_id,
            order_id=order_id,
            customer_id=order.row["customer_id"],
            book=order.row["book"],
            scope_path=order.row["scope_path"],
            placed_at=order.row["placed_at"],
            agreed_at=agreed_at,
            amount_fen=amount_fen,
            freight_fen=asked.freight_fen,
            lines=tuple(_fact(part, credit_of[part.line["id"]]) for part in parts),
        ),
    )


def _parts(order: LockedOrder, asked: RefundCreate) -> list[_Part]:
    by_id = {line["id"]: line for line in order.lines}
    if len({line.line for line in asked.lines}) < len(asked.lines):
        raise RefundNotSensible(reason="line_repeated")
    parts = []
    for wanted in asked.lines:
        line = by_id.get(wanted.line)
        if line is None:
            raise NotFound
        parts.append(_part(line, wanted))
    return parts


def _part(line: asyncpg.Record, wanted: RefundLineAsked) -> _Part:
    left_fen = line["goods_paid_fen"] - line["refunded_fen"]
    left_units = line["quantity"] - line["refunded_quantity"]
    name = wire("oln", line["id"])
    if (wanted.quantity is None) == (wanted.amount_fen is None):
        raise RefundNotSensible(line=name, reason="give either quantity or amount_fen")
    if wanted.quantity is None:
        assert wanted.amount_fen is not None
        if wanted.restock:
            raise RefundNotSensible(line=name, reason="restock needs a quantity")
        if wanted.amount_fen > left_fen:
            raise RefundNotSensible(line=name, left_fen=left_fen)
        return _Part(line, 0, 0, wanted.amount_fen)
    if wanted.quantity > left_units:
        raise RefundNotSensible(line=name, left_quantity=left_units)
    worth_fen = refund_of_units(
        paid_fen=line["goods_paid_fen"],
        quantity=line["quantity"],
        refunded_quantity=line["refunded_quantity"],
        units=wanted.quantity,
    )
    # Earlier refunds by amount may have left less than the units are worth.
    amount_fen = min(worth_fen, left_fen)
    if amount_fen == 0 and not wanted.restock:
        raise RefundNotSensible(line=name, left_fen=left_fen)
    return _Part(line, wanted.quantity, wanted.quantity if wanted.restock else 0, amount_fen)


async def _count(
    session: AsyncSession, order: LockedOrder, parts: list[_Part], freight_fen: int, amount_fen: int
) -> None:
    """Raise the order's and lines' refunded totals; their CHECKs hold the limits whatever happened above."""
    await db.execute(
        session,
        """UPDATE mall_order SET refunded_fen = refunded_fen + $2, freight_refunded_fen = freight_refunded_fen + $3,
                  refund_status = CASE refunded_fen + $2 WHEN 0 THEN 'none' WHEN paid_fen THEN 'all' ELSE 'part' END
           WHERE id = $1""",
        order.id,
        amount_fen,
        freight_fen,
    )
    await db.executemany(
        session,
        """UPDATE mall_order_line SET refunded_fen = refunded_fen + $2, refunded_quantity = refunded_quantity + $3,
                  restocked_quantity = restocked_quantity + $4 WHERE id = $1""",
        [(part.line["id"], part.amount_fen, part.units, part.restocked) for part in parts],
    )


async def _write(
    session: AsyncSession,
    actor: Actor,
    refund_id: UUID,
    order: LockedOrder,
    asked: RefundCreate,
    parts: list[_Part],
    amount_fen: int,
) -> datetime:
    row = await db.fetchrow(
        session,
        """INSERT INTO mall_refund (id, order_id, status, amount_fen, freight_fen, reason, agreed_by, paid_at)
           SELECT $1, $2, CASE WHEN $3::bigint = 0 THEN 'paid' ELSE 'agreed' END, $3, $4, $5, $6,
                  CASE WHEN $3 = 0 THEN clock_timestamp() END
           RETURNING agreed_at""",
        refund_id,
        order.id,
        amount_fen,
        asked.freight_fen,
        asked.reason,
        actor.id,
    )
    assert row is not None
    await db.executemany(
        session,
        """INSERT INTO mall_refund_line (refund_id, line_id, quantity, restocked_quantity, amount_fen)
           VALUES ($1, $2, $3, $4, $5)""",
        [(refund_id, part.line["id"], part.units, part.restocked, part.amount_fen) for part in parts],
    )
    agreed_at: datetime = row["agreed_at"]
    return agreed_at


async def _post(session: AsyncSession, refund_id: UUID, order: LockedOrder, amount_fen: int) -> None:
    """Before receipt nothing was earned yet: what was prepaid becomes owed."""
    await ledger.post(
        session,
        Transfer(
            book=order.row["book"],
            kind="refund_agreed",
            key=str(refund_id),
            entries=[
                ledger.debit(Account.CUSTOMER_PREPAID, amount_fen, order.id),
                ledger.credit(Account.REFUNDS_DUE, amount_fen, refund_id),
            ],
        ),
    )


def _fact(part: _Part, credit: LineCredit) -> RefundedLine:
    return RefundedLine(
        line_id=part.line["id"],
        product_id=part.line["product_id"],
        sku_id=part.line["sku_id"],
        quantity=part.units,
        restocked=part.restocked > 0,
        amount_fen=part.amount_fen,
        goods_paid_fen=part.line["goods_paid_fen"],
        refunded_before_fen=part.line["refunded_fen"],
        credit=credit,
    )


async def mark_paid_out(session: AsyncSession, refund_id: UUID) -> None:
    """WeChat sent the money of an agreed refund. An automatic refund of late money has no row here and is passed over."""
    order_id = await db.fetchval(session, "SELECT order_id FROM mall_refund WHERE id = $1", refund_id)
    if order_id is None:
        return
    await lock_order(session, order_id)
    amount_fen = await db.fetchval(
        session,
        """UPDATE mall_refund SET status = 'paid', paid_at = clock_timestamp()
           WHERE id = $1 AND status <> 'paid' RETURNING amount_fen""",
        refund_id,
    )
    if amount_fen is not None:
        await events.publish(session, RefundPaid(refund_id=refund_id, order_id=order_id, amount_fen=amount_fen))


async def mark_stuck(session: AsyncSession, refund_id: UUID) -> None:
    """WeChat could not send it; a person has to act."""
    await db.execute(session, "UPDATE mall_refund SET status = 'stuck' WHERE id = $1 AND status = 'agreed'", refund_id)
