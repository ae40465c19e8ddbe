"""Placing an order: price, order, frozen attribution, charge, and last the reservation, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app import attribution, customers
from app.attribution import Checkout, LineToCredit
from app.core.clock import CHINA
from app.core.db import BulkInsert, Session
from app.core.ids import new_id, wire
from app.core.settings import Settings
from app.mall import catalog, promotions
from app.mall.orders import models
from app.mall.orders.errors import PriceChanged
from app.mall.orders.payment import COLLECTOR
from app.mall.orders.quotes import fingerprint, quote_view
from app.mall.orders.records import Fulfilment, LineRow, Order, OrderRow
from app.mall.orders.schemas import OrderCreate
from app.mall.orders.settings import OrderSettings
from app.mall.promotions import Priced
from app.payments import Charge

_INSERT = BulkInsert(models.Order, OrderRow)
_INSERT_LINES = BulkInsert(models.OrderLine, LineRow)


@dataclass(frozen=True, slots=True)
class Placed:
    """A freshly placed order and the charge that it is to be paid by."""

    order: Order
    charge: Charge


def order_number(order_id: UUID, placed_at: datetime) -> str:
    """What people read out: the China date and twelve characters of the id."""
    return f"{placed_at.astimezone(CHINA):%y%m%d}{wire('ord', order_id)[-12:].upper()}"


async def place(
    session: Session, settings: Settings, *, order_id: UUID, customer_id: UUID, request: OrderCreate
) -> Placed:
    """Place an order and open its charge; the caller asks WeChat after the commit.

    Raises LineRepeated, NotOnSale, PriceChanged (with the new quote), OpenidMissing and OutOfStock; then nothing is
    written. The reservation comes last, so that a popular SKU's row is locked for the shortest time; all rows are
    written by one statement right before it.
    """
    priced = await promotions.price(session, request.store, request.lines)
    _require_expected(priced, request)
    order = _order(priced, settings, order_id=order_id, customer_id=customer_id, request=request)
    payer_openid = await customers.openid_of(session, customer_id, settings.wechat_appid)
    await attribution.freeze(
        session,
        Checkout(
            order_id=order_id,
            customer_id=customer_id,
            placed_at=priced.now,
            selling_store_id=priced.place_id,
            lines=[LineToCredit(line.id, line.product_id) for line in order.lines],
        ),
    )
    _INSERT.later(session, [order.row])
    _INSERT_LINES.later(session, order.lines)
    charge = COLLECTOR.open(
        session,
        settings,
        charge_id=new_id(),
        subject_id=order_id,
        book=priced.book,
        payer_openid=payer_openid,
        amount_fen=priced.price.payable_fen,
        expires_at=order.row.expires_at,
    )
    await catalog.reserve(session, priced.place_id, order.quantities)
    return Placed(order, charge)


def _require_expected(priced: Priced, request: OrderCreate) -> None:
    same_sum = priced.price.payable_fen == request.expected_payable_fen
    if not same_sum or request.fingerprint not in (None, fingerprint(priced)):
        raise PriceChanged(quote=quote_view(priced))


def _order(priced: Priced, settings: Settings, *, order_id: UUID, customer_id: UUID, request: OrderCreate) -> Order:
    price = priced.price
    row = OrderRow(
        id=order_id,
        number=order_number(order_id, priced.now),
        customer_id=customer_id,
        place_id=priced.place_id,
        book=priced.book,
        scope_path=priced.scope_path,
        fulfilment=Fulfilment(kind=request.fulfilment.kind),
        goods_fen=price.goods_fen,
        freight_fen=price.freight_fen,
        discount_fen=price.discount_fen,
        payable_fen=price.payable_fen,
        remark=request.remark,
        placed_at=priced.now,
        expires_at=priced.now + timedelta(seconds=settings.of(OrderSettings).unpaid_ttl_s),
    )
    return Order(row, _lines(order_id, priced), priced.place_name, priced.now)


def _lines(order_id: UUID, priced: Priced) -> Sequence[LineRow]:
    return [
        LineRow(
            id=new_id(),
            order_id=order_id,
            sku_id=line.sku_id,
            product_id=line.product_id,
            title=line.title,
            sku_title=line.sku_title,
            picture=line.picture,
            quantity=line.quantity,
            list_fen=line.list_fen,
            goods_paid_fen=line.goods_paid_fen,
        )
        for line in priced.price.lines
    ]
