"""Tips: placed unpaid, settled once whoever says so first, closed when nobody pays, refunded when money lands late."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from app import customers, ledger, mall, payments
from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.events import publish
from app.core.ids import new_id
from app.core.settings import Settings
from app.ledger import Account, Transfer
from app.live import rooms
from app.live.errors import RoomNotLive, TipTooLarge
from app.live.events import TipPaid
from app.live.rules import tip_parts
from app.live.schemas import RoomStatus, TipCreate, TipStatus
from app.payments import Charge, Outcome
from app.wechat import Transaction

_TIP = (
    "id, room_id, host_id, store_id, customer_id, book, amount_fen, message, status, charge_id, placed_at, expires_at"
)


async def place(
    session: AsyncSession, settings: Settings, *, tip_id: UUID, customer_id: UUID, room_id: UUID, asked: TipCreate
) -> None:
    """Write the unpaid tip and open its charge. Raises NotFound, RoomNotLive, TipTooLarge."""
    if asked.amount_fen > settings.tip_max_fen:
        raise TipTooLarge(limit_fen=settings.tip_max_fen)
    room = await rooms.find(session, room_id)
    if room["status"] not in (RoomStatus.LIVE, RoomStatus.PAUSED):
        raise RoomNotLive(status=room["status"])
    charge_id = new_id()
    await db.execute(
        session,
        """INSERT INTO live_tip (id, room_id, host_id, store_id, customer_id, book, amount_fen, message, status,
                                 charge_id, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'unpaid', $9, clock_timestamp() + $10)""",
        tip_id,
        room_id,
        room["host_id"],
        room["store_id"],
        customer_id,
        mall.BRAND_BOOK,
        asked.amount_fen,
        asked.message,
        charge_id,
        timedelta(seconds=settings.tip_ttl_s),
    )
    await payments.open_charge(
        session,
        settings,
        charge_id=charge_id,
        subject_kind=payments.SubjectKind.TIP,
        subject_id=tip_id,
        book=mall.BRAND_BOOK,
        payer_openid=await customers.openid_of(session, customer_id, settings.wechat_appid),
        amount_fen=asked.amount_fen,
        ttl_s=settings.tip_ttl_s,
    )


async def find(session: AsyncSession, tip_id: UUID, *, customer_id: UUID, room_id: UUID) -> asyncpg.Record:
    """One's own tip, with the database's clock as `now`. Raises NotFound."""
    row = await db.fetchrow(
        session,
        f"""SELECT {_TIP}, clock_timestamp() AS now FROM live_tip
            WHERE id = $1 AND customer_id = $2 AND room_id = $3""",  # noqa: S608  constants only
        tip_id,
        customer_id,
        room_id,
    )
    if row is None:
        raise NotFound
    return row


async def settle(session: AsyncSession, settings: Settings, known: Charge, transaction: Transaction) -> Outcome:
    """Take the money of a tip, once. One verb for the notification, the client's "I paid" and the sweep.

    Money for a closed tip is owed back and a refund is asked for. The caller commits in every case.
    """
    tip = await db.fetchrow(session, f"SELECT {_TIP} FROM live_tip WHERE id = $1 FOR UPDATE", known.subject_id)  # noqa: S608  constants only
    assert tip is not None, "a tip's charge has a tip"
    charge = await payments.find_charge(session, known.id)
    assert charge is not None
    if tip["status"] == TipStatus.CLOSED:
        return await _refund_late(session, charge, transaction)
    outcome = await payments.settle(
        session, charge, transaction, credit=Account.TIPS_UNALLOTTED, about=charge.subject_id
    )
    if outcome is not Outcome.SETTLED:
        return outcome
    paid_at: datetime | None = await db.fetchval(
        session,
        """UPDATE live_tip SET status = 'paid', paid_at = clock_timestamp() WHERE id = $1 AND status = 'unpaid'
           RETURNING paid_at""",
        tip["id"],
    )
    assert paid_at is not None, "the row is locked and was unpaid"
    parts = tip_parts(tip["amount_fen"], host_bps=settings.tip_host_bps, store_bps=settings.tip_store_bps)
    await publish(
        session,
        TipPaid(
            tip_id=tip["id"],
            room_id=tip["room_id"],
            store_id=tip["store_id"],
            host_id=tip["host_id"],
            customer_id=tip["customer_id"],
            book=tip["book"],
            amount_fen=tip["amount_fen"],
            host_fen=parts.host_fen,
            store_fen=parts.store_fen,
            brand_fen=parts.brand_fen,
            placed_at=tip["placed_at"],
            paid_at=paid_at,
        ),
    )
    return outcome


async def _refund_late(session: AsyncSession, charge: Charge, transaction: Transaction) -> Outcome:
    outcome, refund_id = await payments.send_back(session, charge, transaction, reason="打赏已关闭，自动退款")
    if outcome is Outcome.SETTLED:
        await db.execute(
            session,
            """UPDATE live_tip SET status = 'refunded', refund_id = $2, paid_at = clock_timestamp()
               WHERE id = $1 AND status = 'closed'""",
            charge.subject_id,
            refund_id,
        )
    return outcome


async def expired(session: AsyncSession, after: UUID | None, limit: int) -> list[UUID]:
    """Charges of unpaid tips whose time is over, by id."""
    rows = await db.fetch(
        session,
        """SELECT charge_id FROM live_tip WHERE status = 'unpaid' AND expires_at <= clock_timestamp()
             AND ($1::uuid IS NULL OR charge_id > $1) ORDER BY charge_id LIMIT $2""",
        after,
        limit,
    )
    return [row["charge_id"] for row in rows]


async def close(session: AsyncSession, charge: Charge) -> bool:
    """Give up on an unpaid tip whose charge WeChat has closed; False when it is no longer unpaid."""
    closed = await db.execute(
        session, "UPDATE live_tip SET status = 'closed' WHERE id = $1 AND status = 'unpaid'", charge.subject_id
    )
    if closed:
        await payments.close_charge(session, charge.id)
    return bool(closed)


def allotment(fact: TipPaid) -> Transfer:
    """What of a tip is owed to the host and the store, and what stays with the brand."""
    return Transfer(
        book=fact.book,
        kind="tip_allotted",
        key=str(fact.tip_id),
        entries=[
            ledger.debit(Account.TIPS_UNALLOTTED, fact.amount_fen, fact.tip_id),
            ledger.credit(Account.PAYEE_HELD, fact.host_fen, fact.tip_id, fact.host_id),
            ledger.credit(Account.PAYEE_HELD, fact.store_fen, fact.tip_id, fact.store_id),
            ledger.credit(Account.OTHER_INCOME, fact.brand_fen, fact.tip_id),
        ],
    )
