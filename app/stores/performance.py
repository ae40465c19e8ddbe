"""Performance: entries written from the mall's events, and what one order's entries are."""

from collections.abc import Iterator, Mapping, Sequence
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


class _Sold(msgspec.Struct, frozen=True, kw_only=True):
    """How a line was counted when it was sold: the rule that split it, and the stores it counts to beside the credited one,
    with their paths then. Its refunds are counted alike."""

    rule_id: UUID | None
    credited_guide_id: UUID | None
    fulfilling_store_id: UUID | None
    fulfilling_path: str | None
    inviting_store_id: UUID | None
    inviting_path: str | None


class _SoldBefore(_Sold, frozen=True, kw_only=True):
    line_id: UUID


_INSERT = BulkInsert(models.Performance, EntryRow)
_SOLD_BEFORE = Statement(
    """SELECT DISTINCT ON (line_id) line_id, rule_id, credited_guide_id, fulfilling_store_id, fulfilling_path,
              inviting_store_id, inviting_path
       FROM stores_performance WHERE line_id = ANY(:line_ids) AND kind = 'sale' ORDER BY line_id""",
    _SoldBefore,
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
    known = {rule.id: rule for rule in [SPLIT_RULES.default, *rules]}
    paths = await _paths(session, events)
    sold = await _sold_before(session, events)
    entries: list[EntryRow] = []
    for event in events:
        if isinstance(event, OrderPaid):
            now = {
                line.line_id: _sold(event, line.credit, SPLIT_RULES.at(rules, event.placed_at), paths)
                for line in event.lines
            }
            sold |= now
            entries += _sale(event, now, known, paths)
        else:
            entries += _refund(event, sold, known, paths)
    await _INSERT.run(session, entries)
    await totals.add(session, entries)


async def _paths(session: Session, events: Sequence[OrderPaid | RefundAgreed]) -> dict[UUID | None, str]:
    """The paths of our stores."""
    named = [(line.credit.store_id, line.credit.inviting_store_id) for event in events for line in event.lines]
    ids = {store_id for both in named for store_id in both if store_id is not None}
    return {store.id: store.scope_path for store in (await store_refs(session, ids)).values()}


async def _sold_before(session: Session, events: Sequence[OrderPaid | RefundAgreed]) -> dict[UUID, _Sold]:
    """How each refunded line was counted, as far as its sale was written before this batch."""
    line_ids = [line.line_id for event in events if isinstance(event, RefundAgreed) for line in event.lines]
    return {row.line_id: row for row in await _SOLD_BEFORE.all(session, line_ids=line_ids)}


def _sold(event: OrderPaid, credit: LineCredit, rule: SplitRule, paths: Mapping[UUID | None, str]) -> _Sold:
    inviting_path = paths.get(credit.inviting_store_id)
    return _Sold(
        rule_id=rule.id,
        credited_guide_id=credit.guide_id,
        fulfilling_store_id=event.place_id,
        fulfilling_path=event.scope_path,
        inviting_store_id=credit.inviting_store_id if inviting_path is not None else None,
        inviting_path=inviting_path,
    )


def _sale(
    event: OrderPaid,
    sold: Mapping[UUID, _Sold],
    rules: Mapping[UUID | None, SplitRule],
    paths: Mapping[UUID | None, str],
) -> Iterator[EntryRow]:
    for line in event.lines:
        how = sold[line.line_id]
        parts = split(rules[how.rule_id], line.goods_paid_fen, with_guide=line.credit.guide_id is not None)
        yield from _entries(event, line.credit, how, parts, EntryKind.SALE, event.order_id, event.paid_at, paths)


def _refund(
    event: RefundAgreed,
    sold: Mapping[UUID, _Sold],
    rules: Mapping[UUID | None, SplitRule],
    paths: Mapping[UUID | None, str],
) -> Iterator[EntryRow]:
    for line in event.lines:
        how = sold.get(line.line_id)
        if how is None:
            assert line.amount_fen == 0, f"line {line.line_id} is refunded and was never sold"
            continue
        parts = reversal(
            rules[how.rule_id],
            goods_paid_fen=line.goods_paid_fen,
            refunded_before_fen=line.refunded_before_fen,
            amount_fen=line.amount_fen,
            with_guide=line.credit.guide_id is not None,
        )
        yield from _entries(event, line.credit, how, parts, EntryKind.REFUND, event.refund_id, event.agreed_at, paths)


def _entries(
    event: OrderPaid | RefundAgreed,
    credit: LineCredit,
    how: _Sold,
    parts: Mapping[SplitRole, int],
    kind: EntryKind,
    source_id: UUID,
    business_at: datetime,
    paths: Mapping[UUID | None, str],
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
                # A credited store is one of ours; a place without a store keeps the path that the order was frozen with.
                scope_path=paths.get(credit.store_id, event.scope_path),
                credited_guide_id=how.credited_guide_id,
                fulfilling_store_id=how.fulfilling_store_id,
                fulfilling_path=how.fulfilling_path,
                inviting_store_id=how.inviting_store_id,
                inviting_path=how.inviting_path,
                amount_fen=amount_fen,
                business_at=business_at,
                rule_id=how.rule_id,
            )


async def performance_of(session: Session, order_id: UUID) -> list[PerformanceEntry]:
    """Every entry of one order, sales first, by line."""
    return await _OF_ORDER.all(session, order_id=order_id)
