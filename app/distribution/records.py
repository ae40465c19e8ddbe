"""Rows of commissions, and their one locking read."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.db import Session, Statement


class CommissionRow(msgspec.Struct, kw_only=True):
    """A row of `distribution_commission`. What it holds at payees says whether it waits, is released or is gone."""

    id: UUID
    order_id: UUID
    line_id: UUID
    distributor_id: UUID
    level: int
    book: str
    base_fen: int
    rate_bps: int
    amount_fen: int
    clawed_back_fen: int = 0
    refunded_fen: int = 0
    terms_id: UUID | None
    paid_at: datetime

    @property
    def net_fen(self) -> int:
        """What refunds have left of it."""
        return self.amount_fen - self.clawed_back_fen


_COLUMNS = ", ".join(CommissionRow.__struct_fields__)
_LOCK = Statement(
    f"SELECT {_COLUMNS} FROM distribution_commission WHERE line_id = ANY(:line_ids) ORDER BY id FOR UPDATE",
    CommissionRow,
)
_OF_ORDER = Statement(
    f"SELECT {_COLUMNS} FROM distribution_commission WHERE order_id = :order_id ORDER BY line_id, level",
    CommissionRow,
)
_OF_DISTRIBUTOR = Statement(
    f"""SELECT {_COLUMNS} FROM distribution_commission
        WHERE id = ANY(:ids) AND distributor_id = :distributor_id""",
    CommissionRow,
)


async def lock_lines(session: Session, line_ids: Collection[UUID]) -> dict[UUID, list[CommissionRow]]:
    """The commissions of some lines by line, locked in the order of their ids."""
    by_line: defaultdict[UUID, list[CommissionRow]] = defaultdict(list)
    for row in await _LOCK.all(session, line_ids=list(line_ids)):
        by_line[row.line_id].append(row)
    return by_line


async def commissions_of_order(session: Session, order_id: UUID) -> list[CommissionRow]:
    """The commissions of one order, by line and level."""
    return await _OF_ORDER.all(session, order_id=order_id)


async def commissions_of(session: Session, distributor_id: UUID, ids: Sequence[UUID]) -> dict[UUID, CommissionRow]:
    """Those of these commissions that a distributor earned, by id."""
    return {row.id: row for row in await _OF_DISTRIBUTOR.all(session, distributor_id=distributor_id, ids=ids)}
