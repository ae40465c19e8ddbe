"""Refunds: asked for in the transaction that decides them, sent by a job, settled when WeChat says so."""

from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from app import ledger
from app.core import db, events, jobs
from app.core.db import AsyncSession
from app.core.ids import new_id, parse, wire
from app.ledger import Account, Transfer
from app.payments.charges import settle
from app.payments.discrepancies import write_discrepancy
from app.payments.errors import RefundExceedsPaid
from app.payments.events import RefundStuck, RefundSucceeded
from app.payments.schemas import Charge, Outcome, RefundStage
from app.wechat import RefundState, RefundStatus, Transaction

SEND_REFUND = "payments.send_refund"

log = structlog.get_logger(__name__)


async def request_refund(
    session: AsyncSession, *, refund_id: UUID, charge_id: UUID, amount_fen: int, reason: str
) -> None:
    """Ask for money to be sent back; a job sends it after the commit.

    The caller posts what is owed (REFUNDS_DUE about `refund_id`). Raises RefundExceedsPaid when the charge is not
    settled or its refunds would come to more than was paid.
    """
    allowed = await db.execute(
        session,
        """UPDATE payments_charge SET refunded_fen = refunded_fen + $2
           WHERE id = $1 AND status = 'settled' AND refunded_fen + $2 <= amount_fen""",
        charge_id,
        amount_fen,
    )
    if not allowed:
        raise RefundExceedsPaid
    await db.execute(
        session,
        "INSERT INTO payments_refund (id, charge_id, amount_fen, reason, status) VALUES ($1, $2, $3, $4, 'requested')",
        refund_id,
        charge_id,
        amount_fen,
        reason,
    )
    await jobs.defer(session, SEND_REFUND, key=str(refund_id), refund=str(refund_id))


async def send_back(
    session: AsyncSession, charge: Charge, transaction: Transaction, *, reason: str
) -> tuple[Outcome, UUID]:
    """Money that buys nothing any more (its subject is closed, or paid by another charge): booked as owed and refunded
    by itself. What settling did, and the refund's id, which counts only when it is SETTLED."""
    refund_id = new_id()
    outcome = await settle(session, charge, transaction, credit=Account.REFUNDS_DUE, about=refund_id)
    if outcome is Outcome.SETTLED:
        await request_refund(
            session, refund_id=refund_id, charge_id=charge.id, amount_fen=charge.amount_fen, reason=reason
        )
    return outcome, refund_id


async def refund_to_send(session: AsyncSession, refund_id: UUID) -> asyncpg.Record | None:
    """A refund that WeChat has not finished: id, charge_id, amount_fen, reason, status, total_fen."""
    return await db.fetchrow(
        session,
        """SELECT r.id, r.charge_id, r.amount_fen, r.reason, r.status, c.amount_fen AS total_fen
           FROM payments_refund r JOIN payments_charge c ON c.id = r.charge_id
           WHERE r.id = $1 AND r.status IN ('requested', 'processing')""",
        refund_id,
    )


async def unfinished_refunds(session: AsyncSession, after: UUID | None, limit: int) -> list[UUID]:
    """Refunds that have waited a minute or more for WeChat's word, by id."""
    rows = await db.fetch(
        session,
        """SELECT id FROM payments_refund WHERE status IN ('requested', 'processing')
             AND made_at < clock_timestamp() - interval '1 minute'
             AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2""",
        after,
        limit,
    )
    return [row["id"] for row in rows]


_STAGES = {
    RefundState.PROCESSING: RefundStage.PROCESSING,
    RefundState.SUCCESS: RefundStage.SUCCEEDED,
    RefundState.ABNORMAL: RefundStage.ABNORMAL,
    RefundState.CLOSED: RefundStage.CLOSED,
}


async def settle_refund(session: AsyncSession, status: RefundStatus) -> bool:
    """Believe what WeChat says about a refund; True when it changed something. Unknown numbers change nothing.

    Success takes the money out of the books and publishes RefundSucceeded; abnormal and closed publish RefundStuck and
    leave it owed. A repeated or late word of an earlier stage changes nothing.
    """
    try:
        refund_id = parse("rfd", status.out_refund_no)
    except ValueError:
        return False
    stage = _STAGES[status.state]
    row = await _move(session, refund_id, stage, status)
    if row is None:
        await _note_other_amount(session, refund_id, status)
        return False
    if stage is RefundStage.SUCCEEDED:
        await _paid_out(session, row)
    elif stage in (RefundStage.ABNORMAL, RefundStage.CLOSED):
        await _tell_stuck(session, row, stage)
    return True


async def refuse_refund(session: AsyncSession, refund_id: UUID) -> None:
    """WeChat does not take a refund as asked and knows none under its number: it stays owed, is not sent again by itself,
    and RefundStuck is published."""
    row = await db.fetchrow(
        session,
        """UPDATE payments_refund r SET status = 'refused' FROM payments_charge c
           WHERE r.id = $1 AND r.status IN ('requested', 'processing') AND c.id = r.charge_id
           RETURNING r.id, r.charge_id, r.amount_fen, c.book, c.subject_kind, c.subject_id""",
        refund_id,
    )
    if row is not None:
        await _tell_stuck(session, row, RefundStage.REFUSED)


async def _tell_stuck(session: AsyncSession, row: asyncpg.Record, stage: RefundStage) -> None:
    log.warning("refund_stuck", refund=wire("rfd", row["id"]), stage=stage.value)
    await events.publish(
        session,
        RefundStuck(
            refund_id=row["id"],
            charge_id=row["charge_id"],
            subject_kind=row["subject_kind"],
            subject_id=row["subject_id"],
            amount_fen=row["amount_fen"],
            stage=stage.value,
        ),
    )


async def stuck_refunds(session: AsyncSession) -> int:
    """How many refunds wait for a person, those that were asked for by themselves included."""
    return int(
        await db.fetchval(
            session, "SELECT count(*) FROM payments_refund WHERE status IN ('abnormal', 'closed', 'refused')"
        )
    )


_BEFORE = {
    RefundStage.PROCESSING: ["requested"],
    RefundStage.ABNORMAL: ["requested", "processing"],
    RefundStage.CLOSED: ["requested", "processing"],
    # An abnormal refund can still be paid another way, and a closed or refused one be sent again by hand.
    RefundStage.SUCCEEDED: ["requested", "processing", "abnormal", "closed", "refused"],
}


async def _move(
    session: AsyncSession, refund_id: UUID, stage: RefundStage, status: RefundStatus
) -> asyncpg.Record | None:
    succeeded_at: datetime | None = status.succeeded_at if stage is RefundStage.SUCCEEDED else None
    return await db.fetchrow(
        session,
        """UPDATE payments_refund r SET status = $2, wechat_refund_id = $3,
                  succeeded_at = CASE WHEN $2 = 'succeeded' THEN coalesce($4, clock_timestamp()) END
           FROM payments_charge c
           WHERE r.id = $1 AND r.status = ANY($5) AND c.id = r.charge_id AND r.amount_fen = $6
           RETURNING r.id, r.charge_id, r.amount_fen, c.book, c.subject_kind, c.subject_id""",
        refund_id,
        stage.value,
        status.refund_id,
        succeeded_at,
        _BEFORE[stage],
        status.refund_fen,
    )


async def _note_other_amount(session: AsyncSession, refund_id: UUID, status: RefundStatus) -> None:
    """WeChat tells of another amount than was asked for: finance has to look, nothing else is believed."""
    refund = await db.fetchrow(session, "SELECT charge_id, amount_fen FROM payments_refund WHERE id = $1", refund_id)
    if refund is not None and refund["amount_fen"] != status.refund_fen:
        await write_discrepancy(
            session,
            number=status.refund_id,
            kind="refund_amount",
            charge_id=refund["charge_id"],
            facts={"out_refund_no": status.out_refund_no, "amount_fen": status.refund_fen},
        )


async def _paid_out(session: AsyncSession, row: asyncpg.Record) -> None:
    await ledger.post(
        session,
        Transfer(
            book=row["book"],
            kind="refund_paid",
            key=str(row["id"]),
            entries=[
                ledger.debit(Account.REFUNDS_DUE, row["amount_fen"], row["id"]),
                ledger.credit(Account.WECHAT_PENDING, row["amount_fen"], row["charge_id"]),
            ],
        ),
    )
    await events.publish(
        session,
        RefundSucceeded(
            refund_id=row["id"],
            charge_id=row["charge_id"],
            subject_kind=row["subject_kind"],
            subject_id=row["subject_id"],
            amount_fen=row["amount_fen"],
        ),
    )
