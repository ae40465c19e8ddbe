"""Orders as their readers see them; the reader's scope is part of every query."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from app import attribution
from app.core import db
from app.core.auth import Actor, Role
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.ids import wire
from app.mall.orders.checkout import Placed
from app.mall.orders.schemas import (
    AttributionView,
    FulfilmentView,
    LineView,
    OrderHead,
    OrderStatus,
    OrderView,
    RefundTotal,
    StoreLabel,
    WechatReference,
)

_ORDERS = """
SELECT o.*, p.name AS place_name, clock_timestamp() AS server_now,
       (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.id) FROM mall_order_line l WHERE l.order_id = o.id) AS lines
FROM mall_order o JOIN mall_place p ON p.id = o.place_id
"""


async def order_of_customer(session: AsyncSession, customer_id: UUID, order_id: UUID) -> OrderView:
    """One's own order. Raises NotFound, also for somebody else's."""
    row = await db.fetchrow(session, f"{_ORDERS} WHERE o.id = $1 AND o.customer_id = $2", order_id, customer_id)
    if row is None:
        raise NotFound
    return (await _views(session, [row], own=True))[0]


async def orders_of_customer(
    session: AsyncSession, customer_id: UUID, *, status: OrderStatus | None, after: UUID | None, limit: int
) -> list[OrderView]:
    """One's own orders, newest first."""
    rows = await db.fetch(
        session,
        f"""{_ORDERS} WHERE o.customer_id = $1 AND ($2::text IS NULL OR o.status = $2)
            AND ($3::uuid IS NULL OR o.id < $3) ORDER BY o.id DESC LIMIT $4""",
        customer_id,
        status.value if status else None,
        after,
        limit,
    )
    return await _views(session, rows, own=True)


def reach_of(actor: Actor) -> tuple[str, UUID | str]:
    """The condition on `$1` and its value: managers and above reach what was sold within their path, a guide what he is
    credited for, wherever it was sold."""
    if actor.role is Role.GUIDE:
        return f"o.id IN ({attribution.orders_of_guide('$1')})", actor.id
    return "o.scope_path LIKE $1 || '%'", actor.scope_path


async def orders_in_scope(
    session: AsyncSession, actor: Actor, *, status: OrderStatus | None, after: UUID | None, limit: int
) -> list[OrderView]:
    """Orders within a staff member's scope, newest first; a guide sees those credited to him, wherever they were sold."""
    condition, reach = reach_of(actor)
    rows = await db.fetch(
        session,
        f"""{_ORDERS} WHERE {condition} AND ($2::text IS NULL OR o.status = $2)
            AND ($3::uuid IS NULL OR o.id < $3) ORDER BY o.id DESC LIMIT $4""",
        reach,
        status.value if status else None,
        after,
        limit,
    )
    return await _views(session, rows, own=False)


async def order_in_scope(session: AsyncSession, actor: Actor, order_id: UUID) -> OrderView:
    """An order within a staff member's scope. Raises NotFound."""
    condition, reach = reach_of(actor)
    row = await db.fetchrow(session, f"{_ORDERS} WHERE {condition} AND o.id = $2", reach, order_id)
    if row is None:
        raise NotFound
    return (await _views(session, [row], own=False))[0]


async def order_head_in_scope(session: AsyncSession, actor: Actor, order_id: UUID) -> OrderHead:
    """The outline of an order within a staff member's scope, for rooms above. Raises NotFound."""
    condition, reach = reach_of(actor)
    row = await db.fetchrow(
        session,
        f"""SELECT o.id, o.number, o.status, o.placed_at, o.goods_fen, o.paid_fen, o.refunded_fen
            FROM mall_order o WHERE {condition} AND o.id = $2""",  # noqa: S608  constants only
        reach,
        order_id,
    )
    if row is None:
        raise NotFound
    return OrderHead(**dict(row))


async def _views(session: AsyncSession, rows: Sequence[asyncpg.Record], *, own: bool) -> list[OrderView]:
    credited = await attribution.first_credits(session, [row["id"] for row in rows])
    return [_view(row, credited.get(row["id"]), own=own) for row in rows]


def _view(row: asyncpg.Record, credited: attribution.LineCredit | None, *, own: bool) -> OrderView:
    status = OrderStatus(row["status"])
    return OrderView(
        id=row["id"],
        number=row["number"],
        status=status,
        refund_status=RefundTotal(row["refund_status"]),
        awaiting=_awaiting(status, RefundTotal(row["refund_status"])),
        actions=_actions(status, in_time=row["server_now"] < row["expires_at"]) if own else [],
        store=StoreLabel(id=row["place_id"], name=row["place_name"]),
        lines=[_line(line) for line in row["lines"]],
        goods_fen=row["goods_fen"],
        freight_fen=row["freight_fen"],
        discount_fen=row["discount_fen"],
        payable_fen=row["payable_fen"],
        paid_fen=row["paid_fen"],
        refunded_fen=row["refunded_fen"],
        fulfilment=row["fulfilment"],
        attribution=_attribution(credited),
        remark=row["remark"],
        placed_at=row["placed_at"],
        paid_at=row["paid_at"],
        closed_at=row["closed_at"],
        close_reason=row["close_reason"],
        expires_at=row["expires_at"],
        server_now=row["server_now"],
        wechat=_wechat(row),
    )


def _awaiting(status: OrderStatus, refunded: RefundTotal) -> Literal["payment", "fulfilment"] | None:
    if status is OrderStatus.UNPAID:
        return "payment"
    return "fulfilment" if status is OrderStatus.PAID and refunded is not RefundTotal.ALL else None


def _actions(status: OrderStatus, *, in_time: bool) -> list[Literal["pay", "close"]]:
    """What its buyer may ask for."""
    if status is not OrderStatus.UNPAID:
        return []
    return ["pay", "close"] if in_time else ["close"]


def _line(line: dict[str, Any]) -> LineView:
    return LineView(
        id=UUID(line["id"]),
        sku=UUID(line["sku_id"]),
        product=UUID(line["product_id"]),
        title=line["title"],
        sku_title=line["sku_title"],
        picture=line["picture"],
        quantity=line["quantity"],
        list_fen=line["list_fen"],
        discounts=line["discounts"],
        goods_paid_fen=line["goods_paid_fen"],
        refunded_fen=line["refunded_fen"],
        refunded_quantity=line["refunded_quantity"],
    )


def _attribution(credited: attribution.LineCredit | None) -> AttributionView:
    return AttributionView(
        distributor=credited.distributor_id if credited else None,
        guide=credited.guide_id if credited else None,
        store=credited.store_id if credited else None,
        room=credited.room_id if credited else None,
    )


def _wechat(row: asyncpg.Record) -> WechatReference | None:
    if row["transaction_id"] is None:
        return None
    return WechatReference(
        transaction_id=row["transaction_id"],
        merchant_id=row["mchid"],
        merchant_trade_no=wire("chg", row["charge_id"]),
    )


def placed_view(placed: Placed, server_now: datetime) -> OrderView:
    """A freshly placed order without reading it again."""
    price = placed.priced.price
    return OrderView(
        id=placed.order_id,
        number=placed.number,
        status=OrderStatus.UNPAID,
        refund_status=RefundTotal.NONE,
        awaiting="payment",
        actions=_actions(OrderStatus.UNPAID, in_time=True),
        store=StoreLabel(id=placed.priced.place_id, name=placed.priced.place_name),
        lines=[
            LineView(
                id=line_id,
                sku=line.sku_id,
                product=line.product_id,
                title=line.title,
                sku_title=line.sku_title,
                picture=line.picture,
                quantity=line.quantity,
                list_fen=line.list_fen,
                discounts=[],
                goods_paid_fen=line.goods_paid_fen,
                refunded_fen=0,
                refunded_quantity=0,
            )
            for line_id, line in zip(placed.line_ids, price.lines, strict=True)
        ],
        goods_fen=price.goods_fen,
        freight_fen=price.freight_fen,
        discount_fen=price.discount_fen,
        payable_fen=price.payable_fen,
        paid_fen=0,
        refunded_fen=0,
        fulfilment=FulfilmentView(kind="pickup"),
        attribution=_attribution(placed.credits[0]),
        remark=placed.remark,
        placed_at=placed.priced.now,
        paid_at=None,
        closed_at=None,
        close_reason=None,
        expires_at=placed.expires_at,
        server_now=server_now,
        wechat=None,
    )
