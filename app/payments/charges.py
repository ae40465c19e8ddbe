"""Charges: opened with the thing they pay for, settled by the transaction that learns of the money."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from app import ledger
from app.core.db import BulkInsert, Session, Statement
from app.core.ids import parse, wire
from app.core.settings import Settings
from app.ledger import Account, Transfer
from app.payments import discrepancies
from app.payments.discrepancies import record_discrepancy
from app.payments.models import ChargeRow
from app.payments.records import CHARGE_COLUMNS, Charge
from app.payments.schemas import ChargeStatus, DiscrepancyKind, Outcome
from app.wechat import TradeState, Transaction

PAID_STATES = (TradeState.SUCCESS, TradeState.REFUND)
"""The money has landed. REFUND says that some or all of it has gone back since."""

_OPEN = BulkInsert(ChargeRow, Charge)
_FIND = Statement(f"SELECT {CHARGE_COLUMNS} FROM payments_charge WHERE id = :charge_id", Charge)
_LOCK = Statement(f"SELECT {CHARGE_COLUMNS} FROM payments_charge WHERE id = :charge_id FOR UPDATE", Charge)
_LATEST = Statement(
    f"""SELECT {CHARGE_COLUMNS} FROM payments_charge WHERE subject_id = :subject_id
        ORDER BY status = 'open' DESC, created_at DESC, id DESC LIMIT 1""",
    Charge,
)
_OPEN_ONES = Statement(
    f"SELECT {CHARGE_COLUMNS} FROM payments_charge WHERE subject_id = :subject_id AND status = 'open' ORDER BY id",
    Charge,
)
_TO_ASK = Statement(
    f"""SELECT {CHARGE_COLUMNS} FROM payments_charge
        WHERE subject_id = :subject_id AND status <> 'settled' ORDER BY id DESC LIMIT 5""",
    Charge,
)
_OVERDUE = Statement(
    """SELECT id FROM payments_charge WHERE status = 'open' AND expires_at < statement_timestamp() - interval '1 minute'
         AND id > :after ORDER BY id LIMIT :limit""",
    UUID,
    custom_plan=True,
)
_CLOSED_UNSEEN = Statement(
    """SELECT id FROM payments_charge
       WHERE closed_unseen AND expires_at < statement_timestamp() - interval '2 minutes' AND id > :after
       ORDER BY id LIMIT :limit""",
    UUID,
    custom_plan=True,
)
_KEEP_PREPAY = Statement(
    """UPDATE payments_charge SET prepay_id = :prepay_id, prepaid_at = clock_timestamp()
       WHERE id = :charge_id AND status = 'open' AND prepaid_at IS NOT DISTINCT FROM :prepaid_at"""
)
_FORGET_PREPAY = Statement(
    "UPDATE payments_charge SET prepay_id = NULL, prepaid_at = clock_timestamp() WHERE id = :charge_id"
)
_UNKNOWN = Statement("UPDATE payments_charge SET closed_unseen = true WHERE id = :charge_id")
_LOOKED_AGAIN = Statement(
    """UPDATE payments_charge SET closed_unseen = false
       WHERE id = :charge_id AND closed_unseen AND expires_at < statement_timestamp() - interval '2 minutes'"""
)
_CLOSE = Statement("UPDATE payments_charge SET status = 'closed' WHERE id = :charge_id AND status = 'open'")
_SETTLE = Statement(
    """UPDATE payments_charge SET status = 'settled', transaction_id = :transaction_id,
              paid_at = coalesce(:paid_at, clock_timestamp())
       WHERE id = :charge_id AND status <> 'settled'
         AND NOT EXISTS (SELECT FROM payments_charge o WHERE o.transaction_id = :transaction_id)"""
)


def open_charge(
    session: Session,
    settings: Settings,
    *,
    charge_id: UUID,
    subject_kind: str,
    subject_id: UUID,
    book: str,
    payer_openid: str,
    amount_fen: int,
    expires_at: datetime,
) -> Charge:
    """Begin to be paid for a subject, in the transaction that makes it. The caller asks WeChat (`prepay`) after the
    commit."""
    charge = Charge(
        id=charge_id,
        subject_kind=subject_kind,
        subject_id=subject_id,
        book=book,
        mchid=settings.wechat_mchid,
        appid=settings.wechat_appid,
        payer_openid=payer_openid,
        amount_fen=amount_fen,
        expires_at=expires_at,
    )
    _OPEN.later(session, [charge])
    return charge


async def find_charge(session: Session, charge_id: UUID) -> Charge | None:
    """The charge with that id."""
    return await _FIND.first(session, charge_id=charge_id)


async def charge_with(session: Session, charge_id: UUID) -> Charge:
    """The charge with an id that something of ours holds: charges are never deleted."""
    return await _FIND.one(session, charge_id=charge_id)


async def lock_charge(session: Session, charge_id: UUID) -> Charge:
    """The same, locked: right after the row of its subject, and before any stock."""
    return await _LOCK.one(session, charge_id=charge_id)


async def latest_charge(session: Session, subject_id: UUID) -> Charge | None:
    """The charge that a subject is paid by: its newest open one, else its newest."""
    return await _LATEST.first(session, subject_id=subject_id)


async def open_charges(session: Session, subject_id: UUID) -> list[Charge]:
    """Charges of a subject that WeChat may still take money for."""
    return await _OPEN_ONES.all(session, subject_id=subject_id)


async def close_charges(session: Session, subject_id: UUID, *, closed_at_wechat: Collection[UUID]) -> bool:
    """Close every open charge of a locked subject; False, and none is closed, when WeChat may still take money for one."""
    open_ones = await open_charges(session, subject_id)
    if any(charge.id not in closed_at_wechat for charge in open_ones):
        return False
    for charge in open_ones:
        await close_charge(session, charge.id)
    return True


async def charges_to_ask(session: Session, subject_id: UUID) -> list[Charge]:
    """Charges of a subject that could have been paid without our knowing, newest first, at most 5."""
    return await _TO_ASK.all(session, subject_id=subject_id)


async def overdue_charges(session: Session, after: UUID, limit: int) -> list[UUID]:
    """Open charges whose time has been over for a minute, by id: whatever became of their subject, WeChat may have money
    for them."""
    return await _OVERDUE.all(session, after=after, limit=limit)


async def closed_unseen_charges(session: Session, after: UUID, limit: int) -> list[UUID]:
    """Charges that WeChat did not know when they were closed, two minutes after their time: no request of ours that was on
    its way then can still open one."""
    return await _CLOSED_UNSEEN.all(session, after=after, limit=limit)


async def charge_of(session: Session, transaction: Transaction) -> Charge | None:
    """The charge that a transaction's `out_trade_no` names."""
    try:
        charge_id = parse("chg", transaction.out_trade_no)
    except ValueError:
        return None
    return await find_charge(session, charge_id)


async def keep_prepay(session: Session, charge: Charge, prepay_id: str) -> bool:
    """Remember WeChat's prepay id, so that the same payment can be handed out again; False when the charge was closed, or
    another id kept or forgotten, since it was read."""
    return bool(await _KEEP_PREPAY.run(session, charge_id=charge.id, prepay_id=prepay_id, prepaid_at=charge.prepaid_at))


async def forget_prepay(session: Session, charge_id: UUID) -> None:
    """Hand the charge out no more without asking WeChat: it is about to be closed there."""
    await _FORGET_PREPAY.run(session, charge_id=charge_id)


async def note_unknown(session: Session, charge_id: UUID) -> None:
    """WeChat does not know the charge that is being closed; a request that is on its way may open it yet, so it is asked
    about again (`closed_unseen_charges`)."""
    await _UNKNOWN.run(session, charge_id=charge_id)


async def note_looked_again(session: Session, charge_id: UUID) -> None:
    """WeChat was asked about a charge of `closed_unseen_charges`."""
    await _LOOKED_AGAIN.run(session, charge_id=charge_id)


async def close_charge(session: Session, charge_id: UUID) -> bool:
    """Give up on an open charge; False when it is no longer open. The caller has closed it at WeChat before."""
    return bool(await _CLOSE.run(session, charge_id=charge_id))


async def settle(
    session: Session, charge: Charge, transaction: Transaction, *, credit: Account, about: UUID
) -> Outcome:
    """Take the money of a paid transaction into the books, once.

    The caller has locked the row of the charge's subject and the charge, and has decided where the money goes:
    CUSTOMER_PREPAID about the order for a sale, TIPS_UNALLOTTED about the tip, REFUNDS_DUE about the refund when nothing
    is to be sold for it. A transaction that does not fit the charge, or comes after another one has settled it, is
    recorded as a discrepancy (its cash in suspense when it landed with us) and changes nothing else; so the caller
    commits in every case. Money that was given back elsewhere, in part or whole, before we learnt of it buys nothing:
    WeChat does not say how much of it is left, so nothing is posted and finance looks; its charge is closed.
    """
    fault = await _fault(session, charge, transaction)
    if fault is not None:
        await record_discrepancy(session, transaction, kind=fault, charge=charge)
        if fault is DiscrepancyKind.REFUNDED_ELSEWHERE:
            await close_charge(session, charge.id)
        return Outcome.MISMATCH
    settled = await _SETTLE.run(
        session, charge_id=charge.id, transaction_id=transaction.transaction_id, paid_at=transaction.paid_at
    )
    if not settled:
        if charge.transaction_id == transaction.transaction_id:
            return Outcome.ALREADY_SETTLED
        # A second payment of this charge; or WeChat's number of it already paid another charge, which it never should.
        settled_before = charge.status is ChargeStatus.SETTLED
        kind = DiscrepancyKind.REPEATED if settled_before else DiscrepancyKind.TRANSACTION
        await record_discrepancy(session, transaction, kind=kind, charge=charge)
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


async def _fault(session: Session, charge: Charge, transaction: Transaction) -> DiscrepancyKind | None:
    """What in a paid transaction is not as the charge says, or None."""
    fault = _difference(charge, transaction)
    # WeChat repeats its word of payment for a day, also when the money has gone back since.
    if (
        fault is None
        and charge.status is ChargeStatus.CLOSED
        and await discrepancies.was_refunded_elsewhere(session, transaction)
    ):
        return DiscrepancyKind.REFUNDED_ELSEWHERE
    return fault


def _difference(charge: Charge, transaction: Transaction) -> DiscrepancyKind | None:
    assert transaction.state in PAID_STATES, "only money that landed is settled"
    if transaction.mchid != charge.mchid:
        return DiscrepancyKind.MERCHANT
    if transaction.appid != charge.appid:
        return DiscrepancyKind.APP
    if transaction.out_trade_no != wire("chg", charge.id):
        return DiscrepancyKind.NUMBER
    if transaction.state is TradeState.REFUND and transaction.transaction_id != charge.transaction_id:
        return DiscrepancyKind.REFUNDED_ELSEWHERE
    if transaction.currency != "CNY":
        return DiscrepancyKind.CURRENCY
    if transaction.payer_openid is not None and transaction.payer_openid != charge.payer_openid:
        return DiscrepancyKind.PAYER
    if transaction.transaction_id is None:
        return DiscrepancyKind.TRANSACTION
    if transaction.amount_fen != charge.amount_fen:
        return DiscrepancyKind.AMOUNT
    return None


def is_fresh(charge: Charge, now: datetime) -> bool:
    """Whether its prepay id can still be used: WeChat keeps one for two hours; ten minutes are left to pay."""
    return charge.prepaid_at is not None and now - charge.prepaid_at < timedelta(minutes=110)
