"""Refunds: requested in the transaction that decides them, sent by a job, settled when WeChat says so."""

from datetime import timedelta
from uuid import UUID

import structlog

from app import ledger
from app.core import events, jobs
from app.core.db import Session, Statement
from app.core.errors import AppError
from app.core.ids import new_id, parse, wire
from app.ledger import Account, Transfer
from app.payments.charges import settle
from app.payments.discrepancies import write_discrepancy
from app.payments.errors import RefundExceedsPaid, RefundsExhausted, RefundTooLate
from app.payments.events import RefundStuck, RefundSucceeded
from app.payments.records import Charge, MovedRefund, RefundRequested, RefundToSend
from app.payments.schemas import DiscrepancyKind, Outcome, RefundKind, RefundStage
from app.wechat import RefundState, RefundStatus, Transaction

SEND_REFUND = "payments.send_refund"

log = structlog.get_logger(__name__)

_OPEN_STAGES = [RefundStage.REQUESTED, RefundStage.PROCESSING]
_STUCK_STAGES = [RefundStage.ABNORMAL, RefundStage.CLOSED, RefundStage.REFUSED]

_BEFORE = {
    RefundStage.PROCESSING: [RefundStage.REQUESTED],
    RefundStage.ABNORMAL: _OPEN_STAGES,
    RefundStage.CLOSED: _OPEN_STAGES,
    RefundStage.REFUSED: _OPEN_STAGES,
    # An abnormal refund can still be paid another way, and a closed or refused one be sent again by hand.
    RefundStage.SUCCEEDED: [*_OPEN_STAGES, *_STUCK_STAGES],
}
"""From which stages each one may be reached."""

_STAGES = {
    RefundState.PROCESSING: RefundStage.PROCESSING,
    RefundState.SUCCESS: RefundStage.SUCCEEDED,
    RefundState.ABNORMAL: RefundStage.ABNORMAL,
    RefundState.CLOSED: RefundStage.CLOSED,
}

MOST_REFUNDS = 50
LATEST_REFUND = timedelta(days=365)
"""What WeChat takes of one charge: after that it refuses every refund, and money that was agreed could never leave."""

_COUNT_IN = Statement(
    """UPDATE payments_charge SET refunded_fen = refunded_fen + :amount_fen, refunds = refunds + 1
       WHERE id = :charge_id AND status = 'settled' AND refunded_fen + :amount_fen <= amount_fen
         AND refunds < :most AND paid_at > clock_timestamp() - :latest::interval"""
)
_WHY_NOT = Statement(
    """SELECT CASE WHEN refunds >= :most THEN 'exhausted' WHEN paid_at <= clock_timestamp() - :latest::interval THEN 'late'
                   ELSE 'exceeds' END
       FROM payments_charge WHERE id = :charge_id""",
    str,
)
_INSERT = Statement(
    """INSERT INTO payments_refund (id, charge_id, amount_fen, kind, reason, status)
       VALUES (:id, :charge_id, :amount_fen, :kind, :reason, 'requested')"""
)
_TO_SEND = Statement(
    """SELECT r.id, r.charge_id, c.mchid, r.amount_fen, r.reason, r.status, c.amount_fen AS total_fen
       FROM payments_refund r JOIN payments_charge c ON c.id = r.charge_id
       WHERE r.id = :refund_id AND r.status IN ('requested', 'processing')""",
    RefundToSend,
)
_UNFINISHED = Statement(
    """SELECT id FROM payments_refund WHERE status IN ('requested', 'processing')
         AND created_at < statement_timestamp() - interval '1 minute' AND id > :after ORDER BY id LIMIT :limit""",
    UUID,
    custom_plan=True,
)
_MOVE = Statement(
    """UPDATE payments_refund r SET status = :stage, wechat_refund_id = coalesce(:wechat_refund_id, wechat_refund_id),
              succeeded_at = CASE WHEN :stage = 'succeeded'
                                  THEN coalesce(:succeeded_at::timestamptz, clock_timestamp()) END
       FROM payments_charge c
       WHERE r.id = :refund_id AND r.status = ANY(:before) AND c.id = r.charge_id
       RETURNING r.id, r.charge_id, r.amount_fen, c.book, c.subject_kind, c.subject_id""",
    MovedRefund,
)
_REQUESTED = Statement(
    """SELECT r.charge_id, r.amount_fen, c.mchid FROM payments_refund r JOIN payments_charge c ON c.id = r.charge_id
       WHERE r.id = :refund_id""",
    RefundRequested,
)
_STUCK = Statement("SELECT count(*) FROM payments_refund WHERE status IN ('abnormal', 'closed', 'refused')", int)


async def request_refund(
    session: Session,
    *,
    refund_id: UUID,
    charge_id: UUID,
    amount_fen: int,
    reason: str,
    kind: RefundKind = RefundKind.AGREED,
) -> None:
    """Ask for money to be sent back; a job sends it after the commit.

    The caller posts what is owed (REFUNDS_DUE about `refund_id`). Raises RefundExceedsPaid when the charge is not
    settled or its refunds would come to more than was paid, RefundsExhausted and RefundTooLate for what WeChat would never
    send.
    """
    limits = {"charge_id": charge_id, "most": MOST_REFUNDS, "latest": LATEST_REFUND}
    if not await _COUNT_IN.run(session, amount_fen=amount_fen, **limits):
        raise _refusal(await _WHY_NOT.first(session, **limits))
    await _INSERT.run(session, id=refund_id, charge_id=charge_id, amount_fen=amount_fen, kind=kind, reason=reason)
    await jobs.defer(session, SEND_REFUND, key=str(refund_id), refund=str(refund_id))


def _refusal(why: str | None) -> AppError:
    match why:
        case "exhausted":
            return RefundsExhausted(limit=MOST_REFUNDS)
        case "late":
            return RefundTooLate(days=LATEST_REFUND.days)
    return RefundExceedsPaid()


async def send_back(
    session: Session, charge: Charge, transaction: Transaction, *, kind: RefundKind, reason: str
) -> tuple[Outcome, UUID]:
    """Money that buys nothing any more (its subject is closed, or paid by another charge): booked as owed and refunded
    by itself. What settling did, and the refund's id, which counts only when it is SETTLED."""
    refund_id = new_id()
    outcome = await settle(session, charge, transaction, credit=Account.REFUNDS_DUE, about=refund_id)
    if outcome is Outcome.SETTLED:
        await request_refund(
            session, refund_id=refund_id, charge_id=charge.id, amount_fen=charge.amount_fen, kind=kind, reason=reason
        )
    return outcome, refund_id


async def refund_to_send(session: Session, refund_id: UUID) -> RefundToSend | None:
    """A refund that WeChat has not finished."""
    return await _TO_SEND.first(session, refund_id=refund_id)


async def unfinished_refunds(session: Session, after: UUID, limit: int) -> list[UUID]:
    """Refunds that have waited a minute or more for WeChat's word, by id."""
    return await _UNFINISHED.all(session, after=after, limit=limit)


async def settle_refund(session: Session, status: RefundStatus) -> bool:
    """Believe what WeChat says about a refund; True when it changed something. Unknown numbers change nothing.

    Success takes the money out of the books and publishes RefundSucceeded; abnormal and closed publish RefundStuck and
    leave it owed. A repeated or late word of an earlier stage changes nothing. A word of another amount, currency, charge
    or merchant than was requested is written down for finance, and nothing else of it is believed.
    """
    try:
        refund_id = parse("rfd", status.out_refund_no)
    except ValueError:
        return False
    requested = await _REQUESTED.first(session, refund_id=refund_id)
    if requested is None:
        return False
    fault = _difference(requested, status)
    if fault is not None:
        await _write_difference(session, requested, status, fault)
        return False
    stage = _STAGES[status.state]
    moved = await _MOVE.first(
        session,
        refund_id=refund_id,
        stage=stage,
        before=_BEFORE[stage],
        wechat_refund_id=status.refund_id,
        succeeded_at=status.succeeded_at,
    )
    if moved is None:
        return False
    if stage is RefundStage.SUCCEEDED:
        await _paid_out(session, moved)
    elif stage in _STUCK_STAGES:
        await _tell_stuck(session, moved, stage)
    return True


async def refuse_refund(session: Session, refund_id: UUID) -> None:
    """WeChat does not take a refund as requested and knows none under its number: it stays owed, is not sent again by
    itself, and RefundStuck is published."""
    moved = await _MOVE.first(
        session,
        refund_id=refund_id,
        stage=RefundStage.REFUSED,
        before=_BEFORE[RefundStage.REFUSED],
        wechat_refund_id=None,
        succeeded_at=None,
    )
    if moved is not None:
        await _tell_stuck(session, moved, RefundStage.REFUSED)


async def _tell_stuck(session: Session, refund: MovedRefund, stage: RefundStage) -> None:
    log.warning("refund_stuck", refund=wire("rfd", refund.id), stage=stage.value)
    await events.publish(
        session,
        RefundStuck(
            refund_id=refund.id,
            charge_id=refund.charge_id,
            subject_kind=refund.subject_kind,
            subject_id=refund.subject_id,
            amount_fen=refund.amount_fen,
            stage=stage,
        ),
    )


async def stuck_refunds(session: Session) -> int:
    """How many refunds wait for a person, those that were requested by themselves included."""
    return await _STUCK.one(session)


def _difference(requested: RefundRequested, status: RefundStatus) -> DiscrepancyKind | None:
    if status.mchid not in (None, requested.mchid):
        return DiscrepancyKind.REFUND_MERCHANT
    if status.out_trade_no != wire("chg", requested.charge_id):
        return DiscrepancyKind.REFUND_NUMBER
    if status.currency not in (None, "CNY"):
        return DiscrepancyKind.REFUND_CURRENCY
    return None if status.refund_fen == requested.amount_fen else DiscrepancyKind.REFUND_AMOUNT


async def _write_difference(
    session: Session, requested: RefundRequested, status: RefundStatus, fault: DiscrepancyKind
) -> None:
    await write_discrepancy(
        session,
        number=status.refund_id,
        kind=fault,
        charge_id=requested.charge_id,
        reported={
            "out_refund_no": status.out_refund_no,
            "out_trade_no": status.out_trade_no,
            "amount_fen": status.refund_fen,
            "currency": status.currency,
            "mchid": status.mchid,
        },
    )


async def _paid_out(session: Session, refund: MovedRefund) -> None:
    await ledger.post(
        session,
        Transfer(
            book=refund.book,
            kind="refund_paid",
            key=str(refund.id),
            entries=[
                ledger.debit(Account.REFUNDS_DUE, refund.amount_fen, refund.id),
                ledger.credit(Account.WECHAT_PENDING, refund.amount_fen, refund.charge_id),
            ],
        ),
    )
    await events.publish(
        session,
        RefundSucceeded(
            refund_id=refund.id,
            charge_id=refund.charge_id,
            subject_kind=refund.subject_kind,
            subject_id=refund.subject_id,
            amount_fen=refund.amount_fen,
        ),
    )
