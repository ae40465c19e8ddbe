"""Refunds: requested in the transaction that decides them, sent by a job, settled when WeChat says so."""

from uuid import UUID

import structlog

from app import ledger
from app.core import events, jobs
from app.core.db import Session, Statement
from app.core.ids import new_id, parse, wire
from app.ledger import Account, Transfer
from app.payments.charges import settle
from app.payments.discrepancies import write_discrepancy
from app.payments.errors import RefundExceedsPaid
from app.payments.events import RefundStuck, RefundSucceeded
from app.payments.records import Charge, MovedRefund, RefundToSend
from app.payments.schemas import DiscrepancyKind, Outcome, RefundStage
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

_COUNT_IN = Statement(
    """UPDATE payments_charge SET refunded_fen = refunded_fen + :amount_fen
       WHERE id = :charge_id AND status = 'settled' AND refunded_fen + :amount_fen <= amount_fen"""
)
_INSERT = Statement(
    """INSERT INTO payments_refund (id, charge_id, amount_fen, reason, status)
       VALUES (:id, :charge_id, :amount_fen, :reason, 'requested')"""
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
         AND r.amount_fen = coalesce(:amount_fen, r.amount_fen)
       RETURNING r.id, r.charge_id, r.amount_fen, c.book, c.subject_kind, c.subject_id""",
    MovedRefund,
)
_OTHER_AMOUNT = Statement(
    "SELECT charge_id FROM payments_refund WHERE id = :refund_id AND amount_fen <> :amount_fen", UUID
)
_STUCK = Statement("SELECT count(*) FROM payments_refund WHERE status IN ('abnormal', 'closed', 'refused')", int)


async def request_refund(session: Session, *, refund_id: UUID, charge_id: UUID, amount_fen: int, reason: str) -> None:
    """Ask for money to be sent back; a job sends it after the commit.

    The caller posts what is owed (REFUNDS_DUE about `refund_id`). Raises RefundExceedsPaid when the charge is not
    settled or its refunds would come to more than was paid.
    """
    if not await _COUNT_IN.run(session, charge_id=charge_id, amount_fen=amount_fen):
        raise RefundExceedsPaid
    await _INSERT.run(session, id=refund_id, charge_id=charge_id, amount_fen=amount_fen, reason=reason)
    await jobs.defer(session, SEND_REFUND, key=str(refund_id), refund=str(refund_id))


async def send_back(session: Session, charge: Charge, transaction: Transaction, *, reason: str) -> tuple[Outcome, UUID]:
    """Money that buys nothing any more (its subject is closed, or paid by another charge): booked as owed and refunded
    by itself. What settling did, and the refund's id, which counts only when it is SETTLED."""
    refund_id = new_id()
    outcome = await settle(session, charge, transaction, credit=Account.REFUNDS_DUE, about=refund_id)
    if outcome is Outcome.SETTLED:
        await request_refund(
            session, refund_id=refund_id, charge_id=charge.id, amount_fen=charge.amount_fen, reason=reason
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
    leave it owed. A repeated or late word of an earlier stage changes nothing.
    """
    try:
        refund_id = parse("rfd", status.out_refund_no)
    except ValueError:
        return False
    stage = _STAGES[status.state]
    moved = await _MOVE.first(
        session,
        refund_id=refund_id,
        stage=stage,
        before=_BEFORE[stage],
        wechat_refund_id=status.refund_id,
        succeeded_at=status.succeeded_at,
        amount_fen=status.refund_fen,
    )
    if moved is None:
        await _note_other_amount(session, refund_id, status)
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
        amount_fen=None,
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


async def _note_other_amount(session: Session, refund_id: UUID, status: RefundStatus) -> None:
    """WeChat tells of another amount than was requested: finance has to look, nothing else is believed."""
    charge_id = await _OTHER_AMOUNT.first(session, refund_id=refund_id, amount_fen=status.refund_fen)
    if charge_id is not None:
        await write_discrepancy(
            session,
            number=status.refund_id,
            kind=DiscrepancyKind.REFUND_AMOUNT,
            charge_id=charge_id,
            reported={"out_refund_no": status.out_refund_no, "amount_fen": status.refund_fen},
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
