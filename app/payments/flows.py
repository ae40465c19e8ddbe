"""What needs WeChat in the middle: prepay, sending a refund, asking about one, closing a charge."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.core.clock import utc_now
from app.core.errors import Unclear, UpstreamFailed
from app.core.ids import wire
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.payments import charges, refunds
from app.payments.errors import ChargeNotOpen
from app.payments.records import Charge
from app.payments.schemas import ChargeStatus, PaymentView, RefundStage
from app.wechat import (
    ChargeAlreadyPaid,
    ChargeClosedAtWechat,
    RefundFundsShort,
    RefundRefused,
    TradeNumberReused,
    Transaction,
    WechatPay,
    WechatRefused,
)

# WeChat takes no charge that expires within a minute; money that lands after our own deadline is dealt with as late.
_SHORTEST_LIFE = timedelta(seconds=75)


def notify_url(settings: Settings, mchid: str, what: str) -> str:
    """Where WeChat tells of a merchant's transactions or refunds."""
    return f"{settings.public_url}/v1/payments/{mchid}/{what}/notify"


@dataclass(frozen=True, slots=True)
class Prepaid:
    """The payment of a charge, and the prepay id that WeChat gave for it just now, if it was asked."""

    view: PaymentView
    fresh_id: str | None


async def prepay(runtime: Runtime, charge: Charge, *, description: str) -> Prepaid:
    """What the mini-program needs to pay an open charge.

    Repeatable: the same number with the same parameters answers a prepay id again. Raises ChargeNotOpen when it was
    settled or closed meanwhile or its parameters have changed, UpstreamFailed when WeChat gives no clear answer, and
    WechatRefused when it refuses the request itself.
    """
    if charge.status is not ChargeStatus.OPEN:
        raise ChargeNotOpen
    pay = runtime.client(WechatPay)
    if charge.prepay_id is not None and charges.is_fresh(charge, utc_now()):
        return Prepaid(_view(pay, charge, charge.prepay_id), None)
    try:
        prepay_id = await pay.prepay(
            out_trade_no=wire("chg", charge.id),
            description=description[:60],
            amount_fen=charge.amount_fen,
            payer_openid=charge.payer_openid,
            appid=charge.appid,
            expires_at=max(charge.expires_at, utc_now() + _SHORTEST_LIFE),
            notify_url=notify_url(runtime.settings, charge.mchid, "transactions"),
        )
    except (ChargeAlreadyPaid, ChargeClosedAtWechat) as error:
        raise ChargeNotOpen from error
    except TradeNumberReused as error:
        # WeChat has one code for a number with other parameters and for a request that it never takes; after the latter
        # it knows no such number, and another number would fare no better.
        if await pay.query(wire("chg", charge.id)) is None:
            raise WechatRefused(**error.details) from error
        raise ChargeNotOpen from error
    return Prepaid(_view(pay, charge, prepay_id), prepay_id)


def _view(pay: WechatPay, charge: Charge, prepay_id: str) -> PaymentView:
    return PaymentView(
        charge=charge.id,
        kind="jsapi",
        wechat_pay=pay.client_parameters(prepay_id, charge.appid),
        expires_at=charge.expires_at,
        server_now=utc_now(),
    )


async def ask(runtime: Runtime, charge: Charge) -> Transaction | None:
    """The paid transaction behind a charge, or None while WeChat has no money for it."""
    transaction = await runtime.client(WechatPay).query(wire("chg", charge.id))
    if transaction is None or transaction.state not in charges.PAID_STATES:
        return None
    return transaction


async def close_at_wechat(runtime: Runtime, charge: Charge) -> Transaction | None:
    """Make sure that no money can land any more; if it already has, answer the transaction to settle instead. A number that
    WeChat does not know is asked about again after its time.

    Raises UpstreamFailed when WeChat gives no clear answer, also when it has the money but does not show it yet, and
    WechatRefused.
    """
    paid = await ask(runtime, charge)
    if paid is not None:
        return paid
    async with runtime.db.transaction() as session:
        await charges.forget_prepay(session, charge.id)
    try:
        is_known = await runtime.client(WechatPay).close(wire("chg", charge.id))
    except ChargeAlreadyPaid as error:
        paid = await ask(runtime, charge)
        if paid is None:
            raise UpstreamFailed(call="query", reason=Unclear.PAID_BUT_NOT_SHOWN) from error
        return paid
    if not is_known:
        async with runtime.db.transaction() as session:
            await charges.note_unknown(session, charge.id)
    return None


async def send_refund(runtime: Runtime, refund_id: UUID) -> None:
    """Send a refund, or ask again about one, always under its own number.

    A refund that WeChat does not take is given up until a person acts, unless it knows the number: then what it knows
    counts. Raises UpstreamFailed, WechatRefused and RefundFundsShort to be run again.
    """
    async with runtime.db.transaction() as session:
        refund = await refunds.refund_to_send(session, refund_id)
    if refund is None:
        return
    pay = runtime.client(WechatPay)
    number = wire("rfd", refund_id)
    status = await pay.query_refund(number) if refund.status is RefundStage.PROCESSING else None
    if status is None:
        try:
            status = await pay.refund(
                out_refund_no=number,
                out_trade_no=wire("chg", refund.charge_id),
                refund_fen=refund.amount_fen,
                total_fen=refund.total_fen,
                reason=refund.reason[:80],
                notify_url=notify_url(runtime.settings, refund.mchid, "refunds"),
            )
        except RefundFundsShort:
            raise
        except RefundRefused:
            status = await pay.query_refund(number)
    async with runtime.db.transaction() as session:
        if status is None:
            await refunds.refuse_refund(session, refund_id)
        else:
            await refunds.settle_refund(session, status)
