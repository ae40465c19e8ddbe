"""Performance: entries written from the mall's facts, and what is read from them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from app.attribution import LineCredit
from app.core import db
from app.core.auth import Actor, Role
from app.core.db import AsyncSession
from app.core.events import Recorded
from app.core.http.pages import Paging
from app.core.ids import new_id, wire
from app.mall import OrderPaid, RefundAgreed
from app.stores.errors import RegionsOutOfReach
from app.stores.organisation import store_refs
from app.stores.rules import DEFAULT_RULE, SplitRule, period_range, reversal, rule_at, split
from app.stores.schemas import By, EntryKind, PerformanceEntry, PerformanceItem, PerformanceView, SplitRole
from app.stores.splits import rules_until

Row = tuple[UUID, UUID, UUID, UUID, str, str, UUID, UUID | None, str, int, datetime, UUID | None]

_INSERT = """
INSERT INTO stores_performance
    (id, order_id, line_id, source_id, kind, role, store_id, guide_id, scope_path, amount_fen, business_at, rule_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::uuid[], $8::uuid[],
                     $9::text[], $10::bigint[], $11::timestamptz[], $12::uuid[])
"""


async def record(session: AsyncSession, batch: Sequence[Recorded[OrderPaid] | Recorded[RefundAgreed]]) -> None:
    """Write the parts of every line that was paid or refunded. A fact that was recorded before breaks a UNIQUE."""
    facts = [recorded.fact for recorded in batch]
    rules = await rules_until(session, max(fact.placed_at for fact in facts))
    stores = await store_refs(session, {line.credit.store_id for fact in facts for line in fact.lines})
    sold = await _rules_of_sales(session, facts, rules)
    rows: list[Row] = []
    for fact in facts:
        rule = rule_at(rules, fact.placed_at)
        for row in _sale(fact, rule) if isinstance(fact, OrderPaid) else _refund(fact, rule, sold):
            # A credited store is one of ours; a place without a store keeps the path that the order was frozen with.
            known = stores.get(row[6])
            rows.append((*row[:8], known.scope_path if known else row[8], *row[9:]))
    if rows:
        await db.execute(session, _INSERT, *(list(column) for column in zip(*rows, strict=True)))


async def _rules_of_sales(
    session: AsyncSession, facts: Sequence[OrderPaid | RefundAgreed], rules: Sequence[SplitRule]
) -> dict[UUID, SplitRule]:
    """The rule each refunded line was sold under, as far as the sale was written before this batch: a version whose
    transaction was still open at the sale must not split its refund."""
    rows = await db.fetch(
        session,
        "SELECT DISTINCT line_id, rule_id FROM stores_performance WHERE line_id = ANY($1) AND kind = 'sale'",
        [line.line_id for fact in facts if isinstance(fact, RefundAgreed) for line in fact.lines],
    )
    known = {rule.id: rule for rule in [DEFAULT_RULE, *rules]}
    return {row["line_id"]: known[row["rule_id"]] for row in rows}


def _sale(fact: OrderPaid, rule: SplitRule) -> Iterator[Row]:
    for line in fact.lines:
        parts = split(rule, line.goods_paid_fen, with_guide=line.credit.guide_id is not None)
        yield from _rows(fact, line.credit, rule, parts, EntryKind.SALE, fact.order_id, fact.paid_at)


def _refund(fact: RefundAgreed, rule_now: SplitRule, sold: dict[UUID, SplitRule]) -> Iterator[Row]:
    for line in fact.lines:
        rule = sold.get(line.line_id, rule_now)
        parts = reversal(
            rule,
            goods_paid_fen=line.goods_paid_fen,
            refunded_before_fen=line.refunded_before_fen,
            amount_fen=line.amount_fen,
            with_guide=line.credit.guide_id is not None,
        )
        yield from _rows(fact, line.credit, rule, parts, EntryKind.REFUND, fact.refund_id, fact.agreed_at)


def _rows(
    fact: OrderPaid | RefundAgreed,
    credit: LineCredit,
    rule: SplitRule,
    parts: dict[SplitRole, int],
    kind: EntryKind,
    source_id: UUID,
    business_at: datetime,
) -> Iterator[Row]:
    for role, amount_fen in parts.items():
        if amount_fen:
            yield (
                new_id(),
                fact.order_id,
                credit.line_id,
                source_id,
                kind.value,
                role.value,
                credit.store_id,
                credit.guide_id if role is SplitRole.GUIDE else None,
                fact.scope_path,
                amount_fen,
                business_at,
                rule.id,
            )


async def performance_of(session: AsyncSession, order_id: UUID) -> list[PerformanceEntry]:
    """Every entry of one order, sales first, by line."""
    rows = await db.fetch(
        session,
        """SELECT line_id, source_id, kind, role, store_id, guide_id, amount_fen, business_at
           FROM stores_performance WHERE order_id = $1 ORDER BY line_id, business_at, id""",
        order_id,
    )
    return [
        PerformanceEntry(
            line_id=row["line_id"],
            source_id=row["source_id"],
            kind=EntryKind(row["kind"]),
            role=SplitRole(row["role"]),
            store_id=row["store_id"],
            guide_id=row["guide_id"],
            amount_fen=row["amount_fen"],
            business_at=row["business_at"],
        )
        for row in rows
    ]


_SUMS = """
coalesce(sum(p.amount_fen) FILTER (WHERE p.kind = 'sale'), 0)::bigint AS sales_fen,
coalesce(-sum(p.amount_fen) FILTER (WHERE p.kind = 'refund'), 0)::bigint AS refunds_fen,
sum(p.amount_fen)::bigint AS net_fen,
count(DISTINCT p.order_id) FILTER (WHERE p.kind = 'sale') AS orders
FROM stores_performance p
"""

_WITHIN = "p.business_at >= $1 AND p.business_at < $2 AND starts_with(p.scope_path, $3)"

_RANKED = {
    By.GUIDE: (
        "stf",
        f"""SELECT g.id, g.name, {_SUMS} JOIN stores_staff g ON g.id = p.guide_id
            WHERE p.role = 'guide' AND {_WITHIN} GROUP BY g.id""",
    ),
    By.STORE: (
        "sto",
        f"""SELECT s.id, s.name, {_SUMS} JOIN stores_store s ON s.id = p.store_id
            WHERE p.role = 'store' AND {_WITHIN} GROUP BY s.id""",
    ),
    # A sale below a region below a region counts for both.
    By.REGION: (
        "org",
        f"""SELECT u.id, u.name, {_SUMS} JOIN stores_unit u ON u.kind = 'region' AND starts_with(p.scope_path, u.path)
            WHERE starts_with(u.path, $3) AND {_WITHIN} GROUP BY u.id""",
    ),
}


async def ranking(session: AsyncSession, actor: Actor, *, by: By, period: str, paging: Paging) -> PerformanceView:
    """Who sold how much in a period, within scope, best first.

    Raises PeriodUnreadable, CursorInvalid, and RegionsOutOfReach for staff who reach no whole region.
    """
    if by is By.REGION and actor.role not in (Role.REGION, Role.HQ):
        raise RegionsOutOfReach
    from_at, to_at = period_range(period)
    prefix, ranked = _RANKED[by]
    rows = await db.fetch(
        session,
        f"""WITH ranked AS ({ranked})
            SELECT r.* FROM ranked r
            WHERE $4::uuid IS NULL OR (-r.net_fen, r.id) > (SELECT -a.net_fen, a.id FROM ranked a WHERE a.id = $4)
            ORDER BY r.net_fen DESC, r.id LIMIT $5""",  # noqa: S608  constants only
        from_at,
        to_at,
        actor.scope_path,
        paging.after_id(prefix),
        paging.limit + 1,
    )
    items = [PerformanceItem(**{**dict(row), "id": wire(prefix, row["id"])}) for row in rows]
    page = paging.page(prefix, items, [row["id"] for row in rows])
    return PerformanceView(by=by, period=period, from_at=from_at, to_at=to_at, items=page.items, next=page.next)
