"""Charges: opened with the thing they pay for, settled by the transaction that learns of the money."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from app import ledger
from app.core import db
from app.core.db import AsyncSession
from app.core.ids import parse, wire
from app.core.settings import Settings
from app.ledger import Account, Transfer
from app.payments import discrepancies
from app.payments.discrepancies import REFUNDED_ELSEWHERE, record_discrepancy
from app.payments.schemas import Charge, ChargeStatus, Outcome, SubjectKind
from app.wechat import TradeState, Transaction

PAID_STATES = (TradeState.SUCCESS, TradeState.REFUND)
"""The money has landed. REFUND says that some or all of it has gone back since."""

_COLUMNS = """id, subject_kind, subject_id, book, mchid, appid, payer_openid, amount_fen, refunded_fen, status,
              prepay_id, prepaid_at, transaction_id, expires_at"""


def _charge(row: asyncpg.Record) -> Charge:
    values = dict(row)
    values["subject_kind"] = SubjectKind(values["subject_kind"])
    values["status"] = ChargeStatus(values["status"])
    return Charge(**values)


async def open_charge(
    session: AsyncSession,
    settings: Settings,
    *,
    charge_id: UUID,
    subject_kind: SubjectKind,
    subject_id: UUID,
    book: str,
    payer_openid: str,
    amount_fen: int,
    ttl_s: int,
) -> Charge:
    """Begin to be paid for a subject. The caller asks WeChat (`prepay`) after the commit."""
    row = await db.fetchrow(
        session,
        f"""INSERT INTO payments_charge
                (id, subject_kind, subject_id, book, mchid, appid, payer_openid, amount_fen, status, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', clock_timestamp() + $9)
            RETURNING {_COLUMNS}""",  # noqa: S608  a constant
        charge_id,
        subject_kind.value,
        subject_id,
        book,
        settings.wechat_mchid,
        settings.wechat_appid,
        payer_openid,
        amount_fen,
        timedelta(seconds=ttl_s),
    )
    assert row is not None
    return _charge(row)


async def find_charge(session: AsyncSession, charge_id: UUID) -> Charge | None:
    row = await db.fetchrow(session, f"SELECT {_COLUMNS} FROM payments_charge WHERE id = $1", charge_id)  # noqa: S608  constants only
    return _charge(row) if row else None


async def latest_charge(session: AsyncSession, subject_id: UUID) -> Charge | None:
    """The newest charge of an order or tip."""
    row = await db.fetchrow(
        session,
        f"SELECT {_COLUMNS} FROM payments_charge WHERE subject_id = $1 ORDER BY id DESC LIMIT 1",  # noqa: S608  constants only
        subject_id,
    )
    return _charge(row) if row else None


async def open_charges(session: AsyncSession, subject_id: UUID) -> list[Charge]:
    """Charges of a subject that WeChat may still take money for."""
    rows = await db.fetch(
        session,
        f"SELECT {_COLUMNS} FROM payments_charge WHERE subject_id = $1 AND status = 'open' ORDER BY id",  # noqa: S608  constants only
        subject_id,
    )
    return [_charge(row) for row in rows]


async def charges_to_ask(session: AsyncSession, subject_id: UUID) -> list[Charge]:
    """Charges of a subject that could have been paid without our knowing, newest first, at most 5."""
    rows = await db.fetch(
        session,
        f"""SELECT {_COLUMNS} FROM payments_charge
            WHERE subject_id = $1 AND status <> 'settled' ORDER BY id DESC LIMIT 5""",  # noqa: S608  a constant
        subject_id,
    )
    return [_charge(row) for row in rows]


async def overdue_charges(session: AsyncSession, after: UUID | None, limit: int, *, kind: SubjectKind) -> list[UUID]:
    """Open charges whose time has been over for a minute, by id: whatever became of their subject, WeChat may have money
    for them."""
    rows = await db.fetch(
        session,
        """SELECT id FROM payments_charge WHERE status = 'open' AND expires_at < clock_timestamp() - interval '1 minute'
             AND subject_kind = $3 AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2""",
        after,
        limit,
        kind.value,
    )
    return [row["id"] for row in rows]


async def charge_of(session: AsyncSession, transaction: Transaction) -> Charge | None:
    """The charge that a transaction's `out_trade_no` names."""
    try:
        charge_id = parse("chg", transaction.out_trade_no)
    except ValueError:
        return None
    return await find_charge(session, charge_id)


async def keep_prepay(session: AsyncSession, charge_id: UUID, prepay_id: str) -> None:
    await db.execute(
        session,
        "UPDATE payments_charge SET prepay_id = $2, prepaid_at = clock_timestamp() WHERE id = $1",
        charge_id,
        prepay_id,
    )


async def forget_prepay(session: AsyncSession, charge_id: UUID) -> None:
    """Hand the charge out no more without asking WeChat: it is about to be closed there."""
    await db.execute(session, "UPDATE payments_charge SET prepay_id = NULL WHERE id = $1", charge_id)


async def close_charge(session: AsyncSession, charge_id: UUID) -> bool:
    """Give up on an open charge; False when it is no longer open. The caller has closed it at WeChat before."""
    return bool(
        await db.execute(
            session, "UPDATE payments_charge SET status = 'closed' WHERE id = $1 AND status = 'open'", charge_id
        )
    )


async def settle(
    session: AsyncSession, charge: Charge, transaction: Transaction, *, credit: Account, about: UUID
) -> Outcome:
    """Take the money of a paid transaction into the books, once.

    The caller holds the row of the charge's subject, has read the charge since, and has decided where the money goes:
    CUSTOMER_PREPAID about the order for a sale, TIPS_UNALLOTTED about the tip, REFUNDS_DUE about the refund when nothing
    is to be sold for it. A transaction that does not fit the charge, or comes after another one has settled it, is
    recorded as a discrepancy (its cash in suspense when it landed with us) and changes nothing else; so the caller
    commits in every case. Money that was given back elsewhere, in part or whole, before we learnt of it buys nothing:
    WeChat does not say how much of it is left, so nothing is posted and finance looks; its charge is closed.
    """
    fault = await _fault(session, charge, transaction)
    if fault is not None:
        await record_discrepancy(session, transaction, kind=fault, charge=charge)
        if fault == REFUNDED_ELSEWHERE:
            await close_charge(session, charge.id)
        return Outcome.MISMATCH
    settled = await db.execute(
        session,
        """UPDATE payments_charge SET status = 'settled', transaction_id = $2, paid_at = coalesce($3, clock_timestamp())
           WHERE id = $1 AND status <> 'settled'""",
        charge.id,
        transaction.transaction_id,
        transaction.paid_at,
    )
    if not settled:
        known = await find_charge(session, charge.id)
        assert known is not None
        if known.transaction_id == transaction.transaction_id:
            return Outcome.ALREADY_SETTLED
        await record_discrepancy(session, transaction, kind="repeated", charge=charge)
        return Outcome.MISMATCH
    await ledger.post(
        session,
        Transfer(
            book=charge.book,
            kind="charge_paid",
            key=str(charge.id),
            entries=[
                ledger.debit(Account.WECHAT_PENDING, charge.amount_fen, charge.id),
                ledger.credit(credit, charge.amount_fen, about),
            ],
        ),
    )
    return Outcome.SETTLED


async def fits(session: AsyncSession, charge: Charge, transaction: Transaction) -> bool:
    """Whether a paid transaction is the charge's in amount, currency, merchant, app, payer and number, and its money
    is still with us."""
    return await _fault(session, charge, transaction) is None


async def _fault(session: AsyncSession, charge: Charge, transaction: Transaction) -> str | None:
    """What in a paid transaction is not as the charge says, or None."""
    fault = _difference(charge, transaction)
    # WeChat repeats its word of payment for a day, also when the money has gone back since.
    if (
        fault is None
        and charge.status is ChargeStatus.CLOSED
        and await discrepancies.was_refunded_elsewhere(session, transaction)
    ):
        return REFUNDED_ELSEWHERE
    return fault


def _difference(charge: Charge, transaction: Transaction) -> str | None:
    assert transaction.state in PAID_STATES, "only money that landed is settled"
    if transaction.mchid != charge.mchid:
        return "merchant"
    if transaction.appid != charge.appid:
        return "app"
    if transaction.out_trade_no != wire("chg", charge.id):
        return "number"
    if transaction.state is TradeState.REFUND and transaction.transaction_id != charge.transaction_id:
        return REFUNDED_ELSEWHERE
    if transaction.currency != "CNY":
        return "currency"
    if transaction.payer_openid is not None and transaction.payer_openid != charge.payer_openid:
        return "payer"
    if transaction.transaction_id is None:
        return "transaction"
    if transaction.amount_fen != charge.amount_fen:
        return "amount"
    return None


def is_fresh(charge: Charge, now: datetime) -> bool:
    """Whether its prepay id can still be used: WeChat keeps one for two hours; ten minutes are left to pay."""
    return charge.prepaid_at is not None and now - charge.prepaid_at < timedelta(minutes=110)
