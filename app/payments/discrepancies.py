"""Discrepancies: what WeChat says and no charge or refund of ours explains, put down for finance."""

import json
from typing import Any
from uuid import UUID

import structlog

from app import ledger
from app.core import db
from app.core.db import AsyncSession
from app.core.ids import new_id, wire
from app.ledger import Account, Transfer
from app.payments.schemas import Charge, DiscrepancyView
from app.wechat import Transaction

log = structlog.get_logger(__name__)

REFUNDED_ELSEWHERE = "refunded_elsewhere"

_LANDED = ("amount", "payer", "repeated")
"""Kinds whose money landed with us."""


async def write_discrepancy(
    session: AsyncSession, *, number: str, kind: str, charge_id: UUID | None, facts: dict[str, Any]
) -> UUID | None:
    """An alert for finance, once per WeChat's own number and kind; its id, None when it stands already."""
    discrepancy_id: UUID | None = await db.fetchval(
        session,
        """INSERT INTO payments_discrepancy (id, transaction_id, kind, charge_id, facts)
           VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id""",
        new_id(),
        number,
        kind,
        charge_id,
        json.dumps(facts),
    )
    if discrepancy_id is not None:
        log.warning("payment_discrepancy", kind=kind, number=number, charge=charge_id and wire("chg", charge_id))
    return discrepancy_id


async def record_discrepancy(
    session: AsyncSession, transaction: Transaction, *, kind: str, charge: Charge | None
) -> None:
    """Write the alert, once; a wrong amount, another payer's or a second payment did land: its cash goes into
    suspense."""
    facts = {
        "out_trade_no": transaction.out_trade_no,
        "amount_fen": transaction.amount_fen,
        "currency": transaction.currency,
        "mchid": transaction.mchid,
        "appid": transaction.appid,
    }
    discrepancy_id = await write_discrepancy(
        session,
        number=transaction.transaction_id or transaction.out_trade_no,
        kind=kind,
        charge_id=charge.id if charge else None,
        facts=facts,
    )
    if discrepancy_id is not None and kind in _LANDED and charge is not None and transaction.amount_fen:
        await ledger.post(
            session,
            Transfer(
                book=charge.book,
                kind="charge_quarantined",
                key=str(discrepancy_id),
                entries=[
                    ledger.debit(Account.WECHAT_PENDING, transaction.amount_fen, charge.id),
                    ledger.credit(Account.SUSPENSE, transaction.amount_fen, discrepancy_id),
                ],
            ),
        )


async def was_refunded_elsewhere(session: AsyncSession, transaction: Transaction) -> bool:
    """Whether WeChat has said before that this money went back without us."""
    found = await db.fetchval(
        session,
        "SELECT 1 FROM payments_discrepancy WHERE transaction_id = $1 AND kind = $2",
        transaction.transaction_id,
        REFUNDED_ELSEWHERE,
    )
    return found is not None


async def list_discrepancies(session: AsyncSession, *, after: UUID | None, limit: int) -> list[DiscrepancyView]:
    """All of them, newest first."""
    rows = await db.fetch(
        session,
        """SELECT id, kind, transaction_id, charge_id AS charge, facts, made_at FROM payments_discrepancy
           WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2""",
        after,
        limit,
    )
    return [DiscrepancyView.model_validate(dict(row)) for row in rows]


async def discrepancy_count(session: AsyncSession) -> dict[str, int]:
    """How many were recorded, by kind."""
    rows = await db.fetch(session, "SELECT kind, count(*) AS recorded FROM payments_discrepancy GROUP BY kind")
    return {row["kind"]: row["recorded"] for row in rows}
