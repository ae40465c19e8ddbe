"""The money of tips, with WeChat in the middle."""

from uuid import UUID

from app import payments
from app.core import idempotency
from app.core.auth import Actor
from app.core.db import Session
from app.core.idempotency import Key, Reply
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.live import tip_refunds, tips
from app.live.errors import TipNotPayable
from app.live.schemas import TipCreate, TipRefundCreate, TipStatus, TipView
from app.live.tips import COLLECTOR, Tip
from app.payments import PaymentView

_DESCRIPTION = "打赏主播"


async def tip(runtime: Runtime, actor: Actor, key: Key, *, room_id: UUID, request: TipCreate) -> Reply:
    """Place a tip and prepare its payment, once per key.

    Raises TipsOff, NotFound, RoomNotLive, NotInRoom, OwnTip, TipTooLarge, OpenidMissing, UpstreamFailed, WechatRefused;
    after the last two the same key goes on.
    """

    async def begin(session: Session, tip_id: UUID) -> None:
        await tips.place(
            session, runtime.settings, tip_id=tip_id, customer_id=actor.id, room_id=room_id, request=request
        )

    async def finish(tip_id: UUID) -> Reply:
        async with runtime.db.transaction() as session:
            placed = await tips.find(session, tip_id, customer_id=actor.id)
            charge = await payments.charge_with(session, placed.charge_id)
        payment: PaymentView | None = None
        if placed.status is TipStatus.UNPAID:
            payment = await COLLECTOR.prepay(runtime, charge, description=_DESCRIPTION)
            if payment is None:
                async with runtime.db.transaction() as session:
                    placed = await tips.find(session, tip_id, customer_id=actor.id)
        return Reply(201, _view(placed, payment).model_dump_json().encode())

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)


def _view(tip: Tip, payment: PaymentView | None) -> TipView:
    return TipView(
        id=tip.id,
        room=tip.room_id,
        status=tip.status,
        amount_fen=tip.amount_fen,
        message=tip.message,
        payment=payment,
        expires_at=tip.expires_at,
        server_now=tip.now,
    )


async def get(runtime: Runtime, actor: Actor, tip_id: UUID) -> TipView:
    """A customer's own tip. Raises NotFound."""
    async with runtime.db.transaction() as session:
        return _view(await tips.find(session, tip_id, customer_id=actor.id), None)


async def pay_again(runtime: Runtime, actor: Actor, tip_id: UUID) -> PaymentView:
    """The payment of an unpaid tip: the same charge while it lives, else a new one.

    Raises NotFound, TipNotPayable, UpstreamFailed, WechatRefused.
    """
    async with runtime.db.transaction() as session:
        await tips.find(session, tip_id, customer_id=actor.id)
    payment = await COLLECTOR.pay(runtime, tip_id, description=_DESCRIPTION)
    if payment is None:
        raise TipNotPayable
    return payment


async def confirm(runtime: Runtime, actor: Actor, tip_id: UUID) -> TipView:
    """The client's "I paid": ask WeChat and settle; the tip as it then stands.

    Raises NotFound, UpstreamFailed, WechatRefused.
    """
    async with runtime.db.transaction() as session:
        known = await tips.find(session, tip_id, customer_id=actor.id)
    if known.status in (TipStatus.UNPAID, TipStatus.CLOSED):
        await COLLECTOR.confirm(runtime, tip_id)
    return await get(runtime, actor, tip_id)


async def close_tip(runtime: Runtime, tip_id: UUID) -> None:
    """Close an unpaid tip, at WeChat first; one that WeChat says is paid is settled instead."""
    closed = await COLLECTOR.close(runtime, tip_id)
    async with runtime.db.transaction() as session:
        await tips.close(session, tip_id, closed_at_wechat=closed)


async def refund(runtime: Runtime, actor: Actor, key: Key, *, tip_id: UUID, request: TipRefundCreate) -> Reply:
    """Agree the refund of a paid tip, once per key; payments sends it. Raises what `tip_refunds.agree` raises."""

    async def begin(session: Session, refund_id: UUID) -> None:
        await tip_refunds.agree(session, actor, refund_id=refund_id, tip_id=tip_id, request=request)

    async def finish(_: UUID) -> Reply:
        async with runtime.db.transaction() as session:
            view = await tip_refunds.get(session, actor, tip_id)
        return Reply(201, view.model_dump_json().encode())

    return await idempotency.run(runtime.db, key, new_id(), begin=begin, finish=finish)
