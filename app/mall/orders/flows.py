"""What needs WeChat in the middle: placing, paying, confirming and closing orders, and reading its notifications."""

from uuid import UUID

from app import payments
from app.core import db, idempotency
from app.core.auth import Actor
from app.core.db import AsyncSession
from app.core.idempotency import Key, Reply
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.mall.errors import OrderBeingPaid, OrderNotClosable, OrderNotPayable
from app.mall.orders import closing, refunds
from app.mall.orders.checkout import Placed, place
from app.mall.orders.payment import lock_order, take_payment
from app.mall.orders.reading import order_of_customer, placed_view
from app.mall.orders.refund_reading import agreed_refund
from app.mall.orders.schemas import OrderCreate, OrderStatus, OrderView, PlacedView, RefundCreate
from app.payments import Charge, ChargeNotOpen, ChargeStatus, Outcome, PaymentMismatch, PaymentView, Record, SubjectKind
from app.wechat import Notification, Transaction

NOTIFY_PATH = "/v1/mall/pay/notify"


async def place_order(runtime: Runtime, actor: Actor, key: Key, asked: OrderCreate) -> Reply:
    """Place an order and prepare its payment, once per key."""
    fresh: Placed | None = None

    async def begin(session: AsyncSession, order_id: UUID) -> None:
        nonlocal fresh
        fresh = await place(session, runtime.settings, order_id=order_id, customer_id=actor.id, asked=asked)

    async def finish(order_id: UUID) -> tuple[Reply, Record | None]:
        if fresh is not None:
            view, charge = placed_view(fresh, fresh.priced.now), fresh.charge
        else:
            async with runtime.db.transaction() as session:
                view = await order_of_customer(session, actor.id, order_id)
                latest = await payments.latest_charge(session, order_id)
            assert latest is not None, "an order is placed with its charge"
            charge = latest
        payment, record = await _prepay_if_open(runtime, view, charge)
        body = PlacedView(orders=[view], payment=payment).model_dump_json().encode()
        return Reply(201, body), record

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)


async def _prepay_if_open(
    runtime: Runtime, view: OrderView, charge: Charge
) -> tuple[PaymentView | None, Record | None]:
    """The payment of an order that still awaits one; a resumed request may find it paid or closed already."""
    if view.status is not OrderStatus.UNPAID:
        return None, None
    try:
        return await payments.prepay(runtime, charge, description=view.lines[0].title, notify_path=NOTIFY_PATH)
    except ChargeNotOpen:
        return None, None


async def pay_again(runtime: Runtime, actor: Actor, order_id: UUID) -> PaymentView:
    """The payment of an unpaid order: the same charge while it lives, else a new one.

    Raises NotFound, OrderNotPayable, UpstreamFailed.
    """
    async with runtime.db.transaction() as session:
        view = await order_of_customer(session, actor.id, order_id)
        order = await lock_order(session, order_id)
        if order.row["status"] != "unpaid" or order.row["expires_at"] <= view.server_now:
            raise OrderNotPayable
        charge = await payments.latest_charge(session, order_id)
        assert charge is not None, "an order is placed with its charge"
    try:
        payment, record = await payments.prepay(
            runtime, charge, description=view.lines[0].title, notify_path=NOTIFY_PATH
        )
    except ChargeNotOpen:
        charge = await _new_charge(runtime, order_id, charge)
        payment, record = await payments.prepay(
            runtime, charge, description=view.lines[0].title, notify_path=NOTIFY_PATH
        )
    if record is not None:
        async with runtime.db.transaction() as session:
            await record(session)
    return payment


async def _new_charge(runtime: Runtime, order_id: UUID, dead: Charge) -> Charge:
    """Another number for an order whose old one cannot be paid any more; if it was paid after all, it is settled."""
    paid = await payments.close_at_wechat(runtime, dead)
    async with runtime.db.transaction() as session:
        if paid is not None:
            await take_payment(session, paid)
        order = await lock_order(session, order_id)
        if order.row["status"] == "unpaid":
            latest = await payments.latest_charge(session, order_id)
            if latest is not None and latest.id != dead.id and latest.status is ChargeStatus.OPEN:
                return latest  # another press of the button was faster
            await payments.close_charge(session, dead.id)
            ttl = await db.fetchval(
                session, "SELECT extract(epoch FROM $1::timestamptz - clock_timestamp())::int", order.row["expires_at"]
            )
            return await payments.open_charge(
                session,
                runtime.settings,
                charge_id=new_id(),
                subject_kind=SubjectKind.ORDER,
                subject_id=order_id,
                book=order.row["book"],
                payer_openid=dead.payer_openid,
                amount_fen=order.row["payable_fen"],
                ttl_s=max(ttl, 90),
            )
    raise OrderNotPayable


async def confirm(runtime: Runtime, actor: Actor, order_id: UUID) -> OrderView:
    """The client's "I paid": ask WeChat about the order's charge and settle what it knows. Raises NotFound."""
    async with runtime.db.transaction() as session:
        view = await order_of_customer(session, actor.id, order_id)
        charges = [] if view.status is OrderStatus.PAID else await payments.charges_to_ask(session, order_id)
    for charge in charges:
        transaction = await payments.ask(runtime, charge)
        if transaction is not None:
            async with runtime.db.transaction() as session:
                await take_payment(session, transaction)
    async with runtime.db.transaction() as session:
        return await order_of_customer(session, actor.id, order_id)


async def close_order(runtime: Runtime, order_id: UUID, *, reason: str) -> bool:
    """Close an unpaid order, unless WeChat turns out to have its money: then it is paid. True when it was closed."""
    async with runtime.db.transaction() as session:
        open_charges = await payments.open_charges(session, order_id)
    for charge in open_charges:
        await _close_or_take(runtime, charge)
    async with runtime.db.transaction() as session:
        return await closing.close(
            session, order_id, reason=reason, closed_at_wechat={charge.id for charge in open_charges}
        )


async def close_charge(runtime: Runtime, charge_id: UUID) -> None:
    """Close a charge whose time is over, whatever became of its order, unless WeChat turns out to have its money."""
    async with runtime.db.transaction() as session:
        charge = await payments.find_charge(session, charge_id)
    assert charge is not None, "a charge is never deleted"
    await _close_or_take(runtime, charge)
    async with runtime.db.transaction() as session:
        await payments.close_charge(session, charge_id)


async def _close_or_take(runtime: Runtime, charge: Charge) -> None:
    paid = await payments.close_at_wechat(runtime, charge)
    if paid is not None:
        async with runtime.db.transaction() as session:
            await take_payment(session, paid)


async def close_own_order(runtime: Runtime, actor: Actor, key: Key, order_id: UUID) -> Reply:
    """The customer gives up on an unpaid order, once per key.

    Raises NotFound, OrderNotClosable, OrderBeingPaid, UpstreamFailed; after the last two the same key goes on.
    """

    async def begin(session: AsyncSession, _: UUID) -> None:
        view = await order_of_customer(session, actor.id, order_id)
        if view.status is not OrderStatus.UNPAID:
            raise OrderNotClosable

    async def finish(_: UUID) -> tuple[Reply, Record | None]:
        for _attempt in range(2):  # pressing pay meanwhile opens another charge
            await close_order(runtime, order_id, reason="customer")
            async with runtime.db.transaction() as session:
                view = await order_of_customer(session, actor.id, order_id)
            if view.status is not OrderStatus.UNPAID:
                return Reply(200, view.model_dump_json().encode()), None
        raise OrderBeingPaid

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)


async def agree_refund(runtime: Runtime, actor: Actor, key: Key, order_id: UUID, asked: RefundCreate) -> Reply:
    """Agree a refund once per key; payments sends it."""

    async def begin(session: AsyncSession, refund_id: UUID) -> None:
        await refunds.agree(session, actor, refund_id=refund_id, order_id=order_id, asked=asked)

    async def finish(refund_id: UUID) -> tuple[Reply, Record | None]:
        async with runtime.db.transaction() as session:
            view = await agreed_refund(session, refund_id)
        return Reply(201, view.model_dump_json().encode()), None

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)


async def take_notification(runtime: Runtime, notification: Notification) -> None:
    """A verified payment notification, answered only after the commit.

    Raises PaymentMismatch after recording what does not fit; other events and unpaid states change nothing.
    """
    transaction: Transaction | None = notification.transaction
    if transaction is None or transaction.state not in payments.PAID_STATES:
        return
    async with runtime.db.transaction() as session:
        outcome = await take_payment(session, transaction)
    if outcome is Outcome.MISMATCH:
        raise PaymentMismatch(merchant_trade_no=transaction.out_trade_no)


async def take_refund_notification(runtime: Runtime, notification: Notification) -> None:
    """A verified refund notification; an unknown number changes nothing."""
    if notification.refund is not None:
        async with runtime.db.transaction() as session:
            await payments.settle_refund(session, notification.refund)
