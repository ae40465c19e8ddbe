"""Refunds as finance and their payers see them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.db import Listing, Session, Statement
from app.core.ids import RefundId
from app.core.paging import Page, Paging
from app.payments.collecting import Collectors
from app.payments.schemas import PaymentRefundView, RefundByItself, RefundKind, RefundStage


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    kind: RefundKind
    charge_id: UUID
    subject_kind: str
    subject_id: UUID
    amount_fen: int
    status: RefundStage
    reason: str
    created_at: datetime
    succeeded_at: datetime | None


_READ = """SELECT r.id, r.kind, r.charge_id, c.subject_kind, c.subject_id, r.amount_fen, r.status, r.reason, r.created_at,
                  r.succeeded_at
           FROM payments_refund r JOIN payments_charge c ON c.id = r.charge_id"""
_BY_ITSELF = Statement(f"{_READ} WHERE c.subject_id = ANY(:subject_ids) AND r.kind <> 'agreed' ORDER BY r.id", _Row)
_LIST = Listing(
    f"{_READ} WHERE {{filters}} ORDER BY r.id DESC LIMIT :limit",
    _Row,
    filters={
        "kind": "r.kind = :kind",
        "status": "r.status = :status",
        "stuck": ":stuck AND r.status IN ('abnormal', 'closed', 'refused')",
        "after": "r.id < :after",
    },
)


async def refunds_by_themselves(session: Session, subject_ids: Sequence[UUID]) -> dict[UUID, list[RefundByItself]]:
    """Money that these subjects were sent and did not need, by subject, oldest first."""
    found: dict[UUID, list[RefundByItself]] = {}
    for row in await _BY_ITSELF.all(session, subject_ids=subject_ids):
        assert row.kind is not RefundKind.AGREED
        found.setdefault(row.subject_id, []).append(
            RefundByItself(
                id=row.id,
                kind=row.kind,
                charge=row.charge_id,
                amount_fen=row.amount_fen,
                status=row.status,
                created_at=row.created_at,
                succeeded_at=row.succeeded_at,
            )
        )
    return found


async def list_refunds(
    session: Session,
    paging: Paging,
    collectors: Collectors,
    *,
    kind: RefundKind | None,
    status: RefundStage | None,
    stuck: bool,
) -> Page[PaymentRefundView]:
    """All refunds, or some, newest first."""

    def view(row: _Row) -> PaymentRefundView:
        return PaymentRefundView(
            id=row.id,
            kind=row.kind,
            charge=row.charge_id,
            subject=collectors.name_of(row.subject_kind, row.subject_id),
            amount_fen=row.amount_fen,
            status=row.status,
            reason=row.reason,
            created_at=row.created_at,
            succeeded_at=row.succeeded_at,
        )

    return await paging.read(session, RefundId, _LIST, view=view, kind=kind, status=status, stuck=stuck or None)
