"""Placing an order: price, order, frozen attribution, charge, and last the reservation, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app import attribution, customers, payments
from app.attribution import Checkout, LineCredit, LineToCredit
from app.core import db
from app.core.clock import CHINA
from app.core.db import AsyncSession
from app.core.ids import new_id, wire
from app.core.settings import Settings
from app.mall.catalog import stock
from app.mall.errors import PriceChanged
from app.mall.orders.pricing import Priced, price, quote_view
from app.mall.orders.schemas import OrderCreate
from app.payments import Charge, SubjectKind

_INSERT = """
WITH placed AS (
    INSERT INTO mall_order (id, number, customer_id, place_id, book, scope_path, status, refund_status, fulfilment,
                            goods_fen, freight_fen, discount_fen, payable_fen, remark, placed_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'unpaid', 'none', jsonb_build_object('kind', $7::text), $8, $9, $10, $11, $12, $13,
            $13::timestamptz + $14::interval)
    RETURNING id
)
INSERT INTO mall_order_line (id, order_id, sku_id, product_id, title, sku_title, picture, quantity, list_fen, discounts,
                             goods_paid_fen)
SELECT l, $1, s, p, t, st, pic, q, lf, '[]', gp
FROM unnest($15::uuid[], $16::uuid[], $17::uuid[], $18::text[], $19::text[], $20::text[], $21::int[], $22::bigint[],
            $23::bigint[]) AS x(l, s, p, t, st, pic, q, lf, gp)
"""


@dataclass(frozen=True, slots=True)
class Placed:
    """A freshly placed order with everything its first reply needs."""

    order_id: UUID
    number: str
    priced: Priced
    line_ids: Sequence[UUID]
    credits: Sequence[LineCredit]
    charge: Charge
    remark: str | None
    expires_at: datetime


def order_number(order_id: UUID, placed_at: datetime) -> str:
    """What people read out: the China date and twelve characters of the id."""
    return f"{placed_at.astimezone(CHINA):%y%m%d}{wire('ord', order_id)[-12:].upper()}"


async def place(
    session: AsyncSession, settings: Settings, *, order_id: UUID, customer_id: UUID, asked: OrderCreate
) -> Placed:
    """Place an order and open its charge; the caller asks WeChat after the commit.

    Raises LineRepeated, NotOnSale, PriceChanged (with the new quote) and OutOfStock; then nothing is written. The
    reservation comes last, so that a popular SKU's row is held for the shortest time.
    """
    priced = await price(session, asked)
    if priced.price.payable_fen != asked.expected_payable_fen:
        raise PriceChanged(quote=quote_view(priced).model_dump(mode="json"))
    line_ids = [new_id() for _ in priced.price.lines]
    number = order_number(order_id, priced.now)
    ttl = timedelta(seconds=settings.order_ttl_s)
    await _insert(session, order_id, number, customer_id, asked, priced, line_ids, ttl)
    credits_ = await attribution.freeze(
        session,
        settings,
        Checkout(
            order_id=order_id,
            customer_id=customer_id,
            selling_store_id=priced.place_id,
            lines=[
                LineToCredit(line_id, line.product_id)
                for line_id, line in zip(line_ids, priced.price.lines, strict=True)
            ],
        ),
    )
    charge = await payments.open_charge(
        session,
        settings,
        charge_id=new_id(),
        subject_kind=SubjectKind.ORDER,
        subject_id=order_id,
        book=priced.book,
        payer_openid=await customers.openid_of(session, customer_id, settings.wechat_appid),
        amount_fen=priced.price.payable_fen,
        ttl_s=settings.order_ttl_s,
    )
    await stock.reserve(session, priced.place_id, {line.sku_id: line.quantity for line in priced.price.lines})
    return Placed(
        order_id=order_id,
        number=number,
        priced=priced,
        line_ids=line_ids,
        credits=credits_,
        charge=charge,
        remark=asked.remark,
        expires_at=priced.now + ttl,
    )


async def _insert(
    session: AsyncSession,
    order_id: UUID,
    number: str,
    customer_id: UUID,
    asked: OrderCreate,
    priced: Priced,
    line_ids: Sequence[UUID],
    ttl: timedelta,
) -> None:
    lines = priced.price.lines
    await db.execute(
        session,
        _INSERT,
        order_id,
        number,
        customer_id,
        priced.place_id,
        priced.book,
        priced.scope_path,
        asked.fulfilment.kind,
        priced.price.goods_fen,
        priced.price.freight_fen,
        priced.price.discount_fen,
        priced.price.payable_fen,
        asked.remark,
        priced.now,
        ttl,
        list(line_ids),
        [line.sku_id for line in lines],
        [line.product_id for line in lines],
        [line.title for line in lines],
        [line.sku_title for line in lines],
        [line.picture for line in lines],
        [line.quantity for line in lines],
        [line.list_fen for line in lines],
        [line.goods_paid_fen for line in lines],
    )
