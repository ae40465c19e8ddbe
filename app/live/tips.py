"""Tips: placed unpaid, settled once whoever says so first, closed when nobody pays, refunded when money lands late."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from app import customers, ledger, payees, payments, stores
from app.core.db import Session, Statement
from app.core.errors import NotFound
from app.core.events import publish
from app.core.ids import TipId, new_id
from app.core.settings import Settings
from app.ledger import Account, Transfer
from app.live import records, rooms
from app.live.errors import NotInRoom, OwnTip, RoomNotLive, TipsOff, TipTooLarge
from app.live.events import DividedTip, TipPaid, TipRefunded
from app.live.rules import tip_parts
from app.live.schemas import RoomStatus, TipCreate, TipStatus
from app.live.settings import LiveSettings, TipPayment
from app.live.tip_rules import TIP_RULES
from app.mall.catalog import BRAND_BOOK
from app.payees import Clawback, Hold
from app.payments import Charge, Collector, Due, Outcome, RefundKind
from app.wechat import Transaction

CONSUMER = "live.tips"
SOURCE = "tip"
HELD, KEPT = f"{SOURCE}_held", f"{SOURCE}_kept"
"""The transfers that allot a tip: what payees holds of it for people, and what stays with the brand."""
CLAWED_BACK, KEPT_BACK = f"{SOURCE}_clawed_back", f"{SOURCE}_kept_back"
"""The transfers that take the same back when the tip is refunded."""


class Tip(msgspec.Struct, frozen=True, kw_only=True):
    """A tip as it stood at `now` by the database's clock."""

    id: UUID
    room_id: UUID
    host_id: UUID
    store_id: UUID
    customer_id: UUID
    book: str
    amount_fen: int
    message: str | None
    status: TipStatus
    charge_id: UUID
    placed_at: datetime
    expires_at: datetime
    now: datetime


TIP_COLUMNS = """id, room_id, host_id, store_id, customer_id, book, amount_fen, message, status, charge_id, placed_at,
              expires_at, clock_timestamp() AS now"""
_INSERT = Statement(
    """INSERT INTO live_tip (id, room_id, host_id, store_id, customer_id, book, amount_fen, message, status,
                             charge_id, expires_at)
       VALUES (:id, :room_id, :host_id, :store_id, :customer_id, :book, :amount_fen, :message, 'unpaid', :charge_id,
               clock_timestamp() + :ttl)
       RETURNING expires_at""",
    datetime,
)
_FIND = Statement(f"SELECT {TIP_COLUMNS} FROM live_tip WHERE id = :tip_id AND customer_id = :customer_id", Tip)
_LOCK = Statement(f"SELECT {TIP_COLUMNS} FROM live_tip WHERE id = :tip_id FOR UPDATE", Tip)
_PAID = Statement(
    """UPDATE live_tip SET status = 'paid', paid_at = clock_timestamp(), charge_id = :charge_id, host_fen = :host_fen,
              store_fen = :store_fen, brand_fen = :brand_fen, store_is_payee = :store_is_payee
       WHERE id = :tip_id AND status = 'unpaid' RETURNING paid_at""",
    datetime,
)
_REFUNDED = Statement(
    """UPDATE live_tip SET status = 'refunded', refund_id = :refund_id, paid_at = clock_timestamp(), charge_id = :charge_id
       WHERE id = :tip_id AND status = 'closed'"""
)
_EXPIRED = Statement(
    """SELECT id FROM live_tip WHERE status = 'unpaid' AND expires_at <= statement_timestamp() AND id > :after
       ORDER BY id LIMIT :limit""",
    UUID,
    custom_plan=True,
)
_CLOSE = Statement("UPDATE live_tip SET status = 'closed' WHERE id = :tip_id AND status = 'unpaid'")


async def place(
    session: Session, settings: Settings, *, tip_id: UUID, customer_id: UUID, room_id: UUID, request: TipCreate
) -> None:
    """Write the unpaid tip and open its charge.

    Raises TipsOff, NotFound, RoomNotLive, NotInRoom, OwnTip, TipTooLarge, OpenidMissing.
    """
    own = settings.of(LiveSettings)
    if own.tips is TipPayment.OFF:
        raise TipsOff
    limit_fen = own.tip_max_fen
    if request.amount_fen > limit_fen:
        raise TipTooLarge(limit_fen=limit_fen)
    room = await records.find(session, room_id)
    if room.status not in (RoomStatus.LIVE, RoomStatus.PAUSED):
        raise RoomNotLive(status=room.status)
    if not await rooms.has_visited(session, room_id=room_id, customer_id=customer_id):
        raise NotInRoom
    if await stores.account_of(session, room.host_id) == customer_id:
        raise OwnTip
    charge_id = new_id()
    expires_at = await _INSERT.one(
        session,
        id=tip_id,
        room_id=room_id,
        host_id=room.host_id,
        store_id=room.store_id,
        customer_id=customer_id,
        book=BRAND_BOOK,
        amount_fen=request.amount_fen,
        message=request.message,
        charge_id=charge_id,
        ttl=timedelta(seconds=own.tip_ttl_s),
    )
    COLLECTOR.open(
        session,
        settings,
        charge_id=charge_id,
        subject_id=tip_id,
        book=BRAND_BOOK,
        payer_openid=await customers.openid_of(session, customer_id, settings.wechat_appid),
        amount_fen=request.amount_fen,
        expires_at=expires_at,
    )


async def find(session: Session, tip_id: UUID, *, customer_id: UUID) -> Tip:
    """A customer's own tip. Raises NotFound."""
    tip = await _FIND.first(session, tip_id=tip_id, customer_id=customer_id)
    if tip is None:
        raise NotFound
    return tip


async def settle(session: Session, _: Settings, known: Charge, transaction: Transaction) -> Outcome:
    """Take the money of a tip, once. One function for the notification, the client's "I paid" and the sweep.

    Money for a closed or paid tip is owed back and a refund is requested. The caller commits in every case.
    """
    tip = await _LOCK.one(session, tip_id=known.subject_id)
    charge = await payments.lock_charge(session, known.id)
    if tip.status is not TipStatus.UNPAID:
        return await _refund_late(session, tip, charge, transaction)
    outcome = await payments.settle(session, charge, transaction, credit=Account.TIPS_UNALLOTTED, about=tip.id)
    if outcome is Outcome.SETTLED:
        await _mark_paid(session, tip, charge.id)
    return outcome


async def _mark_paid(session: Session, tip: Tip, charge_id: UUID) -> None:
    rule = await TIP_RULES.as_of(session, tip.placed_at)
    parts = tip_parts(tip.amount_fen, host_bps=rule.host_bps, store_bps=rule.store_bps)
    store = (await stores.store_refs(session, [tip.store_id])).get(tip.store_id)
    is_payee = store is not None and store.is_legal_entity
    paid_at = await _PAID.one(
        session,
        tip_id=tip.id,
        charge_id=charge_id,
        host_fen=parts.host_fen,
        store_fen=parts.store_fen,
        brand_fen=parts.brand_fen,
        store_is_payee=is_payee,
    )
    await publish(
        session,
        TipPaid(
            tip_id=tip.id,
            room_id=tip.room_id,
            store_id=tip.store_id,
            host_id=tip.host_id,
            customer_id=tip.customer_id,
            book=tip.book,
            amount_fen=tip.amount_fen,
            host_fen=parts.host_fen,
            store_fen=parts.store_fen,
            brand_fen=parts.brand_fen,
            store_is_payee=is_payee,
            placed_at=tip.placed_at,
            paid_at=paid_at,
        ),
    )


async def _refund_late(session: Session, tip: Tip, charge: Charge, transaction: Transaction) -> Outcome:
    kind = RefundKind.SECOND if tip.status is TipStatus.PAID else RefundKind.LATE
    outcome, refund_id = await payments.send_back(
        session, charge, transaction, kind=kind, reason="打赏已关闭，自动退款"
    )
    if outcome is Outcome.SETTLED:
        await _REFUNDED.run(session, tip_id=tip.id, refund_id=refund_id, charge_id=charge.id)
    return outcome


async def _still_due(session: Session, tip_id: UUID) -> Due | None:
    tip = await _LOCK.one(session, tip_id=tip_id)
    if tip.status is not TipStatus.UNPAID or tip.expires_at <= tip.now:
        return None
    return Due(amount_fen=tip.amount_fen, book=tip.book, expires_at=tip.expires_at)


COLLECTOR = Collector("tip", TipId, settle, _still_due)
"""How tips are paid."""


async def expired(session: Session, after: UUID, limit: int) -> list[UUID]:
    """Unpaid tips whose time is over, by id."""
    return await _EXPIRED.all(session, after=after, limit=limit)


async def close(session: Session, tip_id: UUID, *, closed_at_wechat: Collection[UUID]) -> bool:
    """Close an unpaid tip whose open charges the caller has closed at WeChat; False when that is not possible now."""
    tip = await _LOCK.one(session, tip_id=tip_id)
    if tip.status is not TipStatus.UNPAID:
        return False
    if not await payments.close_charges(session, tip_id, closed_at_wechat=closed_at_wechat):
        return False
    return bool(await _CLOSE.run(session, tip_id=tip_id))


def _owed(tip: DividedTip) -> Iterator[tuple[UUID, int]]:
    """To whom a tip is owed, and how much of it."""
    yield tip.host_id, tip.host_fen
    if tip.store_is_payee:
        yield tip.store_id, tip.store_fen


async def allot(session: Session, paid: Sequence[TipPaid]) -> None:
    """What of each tip is owed to the host and the store, and what stays with the brand, once each."""
    await payees.hold(
        session,
        [
            Hold(source=SOURCE, source_id=tip.tip_id, payee_id=payee_id, book=tip.book, amount_fen=amount_fen)
            for tip in paid
            for payee_id, amount_fen in _owed(tip)
            if amount_fen
        ],
        funded_by=Account.TIPS_UNALLOTTED,
    )
    await ledger.post(
        session, *(_kept(tip, KEPT, tip.tip_id, Account.TIPS_UNALLOTTED, Account.OTHER_INCOME) for tip in paid)
    )


async def take_back(session: Session, refunded: Sequence[TipRefunded]) -> None:
    """Undo the allotment of refunded tips, once each."""
    await payees.claw_back(
        session,
        [
            Clawback(
                source=SOURCE,
                source_id=tip.tip_id,
                payee_id=payee_id,
                reason_id=tip.refund_id,
                amount_fen=amount_fen,
            )
            for tip in refunded
            for payee_id, amount_fen in _owed(tip)
            if amount_fen
        ],
        to=Account.TIPS_UNALLOTTED,
    )
    await ledger.post(
        session,
        *(_kept(tip, KEPT_BACK, tip.refund_id, Account.OTHER_INCOME, Account.TIPS_UNALLOTTED) for tip in refunded),
    )


def _kept(tip: DividedTip, kind: str, key: UUID, debit: Account, credit: Account) -> Transfer:
    return Transfer(
        book=tip.book,
        kind=kind,
        key=str(key),
        entries=[ledger.debit(debit, tip.kept_fen, tip.tip_id), ledger.credit(credit, tip.kept_fen, tip.tip_id)],
    )
