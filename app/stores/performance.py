"""Performance: entries written from the mall's events, and what one order's entries are."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.attribution import LineCredit
from app.core.db import BulkInsert, Session, Statement
from app.core.events import Recorded
from app.mall.aftersales import RefundAgreed
from app.mall.orders import OrderPaid
from app.stores import models, totals
from app.stores.organisation import store_refs
from app.stores.records import EntryRow
from app.stores.rules import SplitRule, reversal, split
from app.stores.schemas import EntryKind, PerformanceEntry, SplitRole
from app.stores.splits import SPLIT_RULES

CONSUMER = "stores.performance"
"""The name of the consumer that writes entries: its cursor says which events have theirs."""


class _SoldUnder(msgspec.Struct, frozen=True):
    line_id: UUID
    rule_id: UUID | None


_INSERT = BulkInsert(models.Performance, EntryRow)
_SOLD_UNDER = Statement(
    "SELECT DISTINCT line_id, rule_id FROM stores_performance WHERE line_id = ANY(:line_ids) AND kind = 'sale'",
    _SoldUnder,
)
_OF_ORDER = Statement(
    """SELECT line_id, source_id, kind, role, store_id, guide_id, amount_fen, business_at
       FROM stores_performance WHERE order_id = :order_id ORDER BY line_id, business_at, number""",
    PerformanceEntry,
)


async def record(session: Session, batch: Sequence[Recorded[OrderPaid] | Recorded[RefundAgreed]]) -> None:
    """Write the parts of every line that was paid or refunded, and add them to the totals of their days. An event that was
    recorded before breaks a UNIQUE."""
    events = [recorded.event for recorded in batch]
    rules = await SPLIT_RULES.until(session, max(event.placed_at for event in events))
    stores = await store_refs(session, {line.credit.store_id for event in events for line in event.lines})
    # A credited store is one of ours; a place without a store keeps the path that the order was frozen with.
    paths = {store.id: store.scope_path for store in stores.values()}
    sold_under = await _rules_of_sales(session, events, rules)
    entries: list[EntryRow] = []
    for event in events:
        rule = SPLIT_RULES.at(rules, event.placed_at)
        entries += (
            _sale(event, rule, paths) if isinstance(event, OrderPaid) else _refund(event, rule, sold_under, paths)
        )
    await _INSERT.run(session, entries)
    await totals.add(session, entries)


async def _rules_of_sales(
    session: Session, events: Sequence[OrderPaid | RefundAgreed], rules: Sequence[SplitRule]
) -> dict[UUID, SplitRule]:
    """The rule each refunded line was sold under, as far as the sale was written before this batch: a version whose
    transaction was still open at the sale must not split its refund."""
    line_ids = [line.line_id for event in events if isinstance(event, RefundAgreed) for line in event.lines]
    known = {rule.id: rule for rule in [SPLIT_RULES.default, *rules]}
    return {row.line_id: known[row.rule_id] for row in await _SOLD_UNDER.all(session, line_ids=line_ids)}


def _sale(event: OrderPaid, rule: SplitRule, paths: dict[UUID, str]) -> Iterator[EntryRow]:
    for line in event.lines:
        parts = split(rule, line.goods_paid_fen, with_guide=line.credit.guide_id is not None)
        yield from _entries(event, line.credit, rule, parts, EntryKind.SALE, event.order_id, event.paid_at, paths)


def _refund(
    event: RefundAgreed, rule_now: SplitRule, sold_under: dict[UUID, SplitRule], paths: dict[UUID, str]
) -> Iterator[EntryRow]:
    for line in event.lines:
        rule = sold_under.get(line.line_id, rule_now)
        parts = reversal(
            rule,
            goods_paid_fen=line.goods_paid_fen,
            refunded_before_fen=line.refunded_before_fen,
            amount_fen=line.amount_fen,
            with_guide=line.credit.guide_id is not None,
        )
        yield from _entries(event, line.credit, rule, parts, EntryKind.REFUND, event.refund_id, event.agreed_at, paths)


def _entries(
    event: OrderPaid | RefundAgreed,
    credit: LineCredit,
    rule: SplitRule,
    parts: dict[SplitRole, int],
    kind: EntryKind,
    source_id: UUID,
    business_at: datetime,
    paths: dict[UUID, str],
) -> Iterator[EntryRow]:
    for role, amount_fen in parts.items():
        if amount_fen:
            yield EntryRow(
                order_id=event.order_id,
                line_id=credit.line_id,
                source_id=source_id,
                kind=kind,
                role=role,
                store_id=credit.store_id,
                guide_id=credit.guide_id if role is SplitRole.GUIDE else None,
                scope_path=paths.get(credit.store_id, event.scope_path),
                amount_fen=amount_fen,
                business_at=business_at,
                rule_id=rule.id,
            )


async def performance_of(session: Session, order_id: UUID) -> list[PerformanceEntry]:
    """Every entry of one order, sales first, by line."""
    return await _OF_ORDER.all(session, order_id=order_id)
