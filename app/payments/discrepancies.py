"""Discrepancies: what WeChat says and no charge or refund of ours explains, put down for finance."""

from typing import Any
from uuid import UUID

import msgspec
import structlog

from app import ledger
from app.core.db import Listing, Session, Statement
from app.core.ids import DiscrepancyId, new_id, wire
from app.core.paging import Page, Paging
from app.ledger import Account, Transfer
from app.payments.records import Charge
from app.payments.schemas import DiscrepancyKind, DiscrepancyView
from app.wechat import Transaction

log = structlog.get_logger(__name__)

LANDED = (DiscrepancyKind.AMOUNT, DiscrepancyKind.PAYER, DiscrepancyKind.REPEATED)
"""Kinds whose money landed with us."""


class _Count(msgspec.Struct, frozen=True):
    kind: DiscrepancyKind
    recorded: int


_WRITE = Statement(
    """INSERT INTO payments_discrepancy (id, transaction_id, kind, charge_id, reported)
       VALUES (:id, :transaction_id, :kind, :charge_id, :reported) ON CONFLICT DO NOTHING RETURNING id""",
    UUID,
)
_REFUNDED_ELSEWHERE = Statement(
    "SELECT true FROM payments_discrepancy WHERE transaction_id = :transaction_id AND kind = 'refunded_elsewhere'", bool
)
_LIST = Listing(
    """SELECT id, kind, transaction_id, charge_id AS charge, reported, created_at FROM payments_discrepancy
       WHERE {filters} ORDER BY id DESC LIMIT :limit""",
    DiscrepancyView,
    filters={"kind": "kind = :kind", "after": "id < :after"},
)
_COUNT = Statement("SELECT kind, count(*) AS recorded FROM payments_discrepancy GROUP BY kind", _Count)


async def write_discrepancy(
    session: Session, *, number: str, kind: DiscrepancyKind, charge_id: UUID | None, reported: dict[str, Any]
) -> UUID | None:
    """An alert for finance, once per WeChat's own number and kind; its id, None when it stands already."""
    discrepancy_id = await _WRITE.first(
        session, id=new_id(), transaction_id=number, kind=kind, charge_id=charge_id, reported=reported
    )
    if discrepancy_id is not None:
        log.warning("payment_discrepancy", kind=kind.value, number=number, charge=charge_id and wire("chg", charge_id))
    return discrepancy_id


async def record_discrepancy(
    session: Session, transaction: Transaction, *, kind: DiscrepancyKind, charge: Charge | None
) -> None:
    """Write the alert, once; a wrong amount, another payer's or a second payment did land: its cash goes into
    suspense."""
    reported = {
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
        reported=reported,
    )
    if discrepancy_id is not None and kind in LANDED and charge is not None and transaction.amount_fen:
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


async def was_refunded_elsewhere(session: Session, transaction: Transaction) -> bool:
    """Whether WeChat has said before that this money went back without us."""
    return await _REFUNDED_ELSEWHERE.first(session, transaction_id=transaction.transaction_id) is not None


async def list_discrepancies(
    session: Session, paging: Paging, *, kind: DiscrepancyKind | None
) -> Page[DiscrepancyView]:
    """All of them, or those of one kind, newest first."""
    return await paging.read(session, DiscrepancyId, _LIST, kind=kind)


async def discrepancy_count(session: Session) -> dict[str, int]:
    """How many were recorded, by kind."""
    return {row.kind.value: row.recorded for row in await _COUNT.all(session)}
