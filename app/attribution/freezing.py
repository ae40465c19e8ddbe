"""The decision: who is credited, made once at checkout for each line and frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from app.attribution.rules import Candidates, Party, RoomVisit, decide
from app.attribution.schemas import LineCredit, LineExplanation, LineToCredit, Reason
from app.core import db
from app.core.db import AsyncSession
from app.core.settings import Settings

# Only promoters who are valid now can win, and never one who is the buyer himself. The time of the statement, unlike the
# clock's, can bound an index: years of touches are not read to find the last days'.
_CANDIDATES = """
SELECT
    s.touchpoint_id AS share_touchpoint, s.promoter_id AS share_id, s.person_id AS share_person,
    s.upline_id AS share_upline, s.upline_person AS share_upline_person,
    b.promoter_id AS bond_id, b.person_id AS bond_person,
    b.upline_id AS bond_upline, b.upline_person AS bond_upline_person,
    gb.promoter_id AS guide_bond_id, gb.person_id AS guide_bond_person, gb.store_id AS guide_bond_store,
    gt.touchpoint_id AS guide_touchpoint, gt.promoter_id AS guide_id, gt.person_id AS guide_person,
    gt.store_id AS guide_store,
    sb.store_id AS bond_store,
    EXISTS (SELECT 1 FROM attribution_promoter o JOIN attribution_touch t ON t.distributor_id = o.promoter_id
            WHERE t.customer_id = $1 AND o.person_id = $1 AND o.valid_to IS NULL
              AND t.touched_at > statement_timestamp() - $2::interval) AS own_link
FROM (SELECT 1) AS one
LEFT JOIN LATERAL (
    SELECT t.touchpoint_id, p.promoter_id, p.person_id, p.upline_id, u.person_id AS upline_person
    FROM attribution_touch t
    JOIN attribution_promoter p ON p.promoter_id = t.distributor_id AND p.valid_to IS NULL
    LEFT JOIN attribution_promoter u ON u.promoter_id = p.upline_id AND u.valid_to IS NULL
    WHERE t.customer_id = $1 AND t.touched_at > statement_timestamp() - $2::interval AND p.person_id IS DISTINCT FROM $1
    ORDER BY t.touched_at DESC, t.id DESC LIMIT 1
) s ON true
LEFT JOIN LATERAL (
    SELECT p.promoter_id, p.person_id, p.upline_id, u.person_id AS upline_person
    FROM attribution_bond a
    JOIN attribution_promoter p ON p.promoter_id = a.promoter_id AND p.valid_to IS NULL
    LEFT JOIN attribution_promoter u ON u.promoter_id = p.upline_id AND u.valid_to IS NULL
    WHERE a.customer_id = $1 AND a.kind = 'distributor' AND a.ended_at IS NULL AND p.person_id IS DISTINCT FROM $1
) b ON true
LEFT JOIN LATERAL (
    SELECT p.promoter_id, p.person_id, p.store_id
    FROM attribution_bond a JOIN attribution_promoter p ON p.promoter_id = a.promoter_id AND p.valid_to IS NULL
    WHERE a.customer_id = $1 AND a.kind = 'guide' AND a.ended_at IS NULL
      AND coalesce(a.protected_until, 'infinity') > statement_timestamp() AND p.person_id IS DISTINCT FROM $1
) gb ON true
LEFT JOIN LATERAL (
    SELECT t.touchpoint_id, p.promoter_id, p.person_id, p.store_id
    FROM attribution_touch t JOIN attribution_promoter p ON p.promoter_id = t.guide_id AND p.valid_to IS NULL
    WHERE t.customer_id = $1 AND t.touched_at > statement_timestamp() - $3::interval AND p.person_id IS DISTINCT FROM $1
    ORDER BY t.touched_at DESC, t.id DESC LIMIT 1
) gt ON true
LEFT JOIN LATERAL (
    SELECT store_id FROM attribution_bond WHERE customer_id = $1 AND kind = 'store' AND ended_at IS NULL
) sb ON true
"""

_ROOM_VISITS = """
SELECT p.product_id, v.room_id, v.store_id, v.touchpoint_id
FROM unnest($2::uuid[]) AS p(product_id)
JOIN LATERAL (
    SELECT t.room_id, w.store_id, t.touchpoint_id
    FROM attribution_touch t
    JOIN attribution_touchpoint w ON w.room_id = t.room_id AND w.kind = 'room' AND w.live_from <= statement_timestamp()
    JOIN attribution_shelf s ON s.room_id = t.room_id AND s.product_id = p.product_id
    WHERE t.customer_id = $1 AND t.touched_at > statement_timestamp() - $3::interval
      AND coalesce(s.removed_at, 'infinity') > t.touched_at
    ORDER BY t.touched_at DESC, t.id DESC LIMIT 1
) v ON true
"""

_FREEZE = """
INSERT INTO attribution_line (line_id, order_id, distributor_id, upline_id, distributor_reason, guide_id, guide_reason,
                              store_id, store_reason, room_id, room_reason, touchpoint_id,
                              guide_touchpoint_id, room_touchpoint_id)
SELECT l, $1, d, u, dr, g, gr, s, sr, r, rr, t, gt, rt
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::uuid[], $9::text[],
            $10::uuid[], $11::text[], $12::uuid[], $13::uuid[], $14::uuid[])
    AS x(l, d, u, dr, g, gr, s, sr, r, rr, t, gt, rt)
"""


@dataclass(frozen=True, slots=True)
class Checkout:
    """What is being bought, by whom, where."""

    order_id: UUID
    customer_id: UUID
    selling_store_id: UUID
    lines: Sequence[LineToCredit]


async def candidates(session: AsyncSession, settings: Settings, customer_id: UUID) -> Candidates:
    """Who would be credited if the customer bought now, as far as it does not depend on the product."""
    row = await db.fetchrow(
        session,
        _CANDIDATES,
        customer_id,
        timedelta(seconds=settings.share_touch_ttl_s),
        timedelta(seconds=settings.guide_touch_ttl_s),
    )
    assert row is not None
    return _candidates(row)


def _candidates(row: asyncpg.Record) -> Candidates:
    share = _distributor(row, "share", Reason.SHARE_TOUCH, row["share_touchpoint"])
    bond = _distributor(row, "bond", Reason.BOND, None)
    guide_bond = _guide(row, "guide_bond", Reason.BOND, None)
    guide_touch = _guide(row, "guide", Reason.GUIDE_TOUCH, row["guide_touchpoint"])
    return Candidates(
        distributor=share or bond,
        guide=guide_bond or guide_touch,
        bond_store_id=row["bond_store"],
        own_link=row["own_link"],
    )


def _distributor(row: asyncpg.Record, prefix: str, reason: Reason, touchpoint_id: UUID | None) -> Party | None:
    if row[f"{prefix}_id"] is None:
        return None
    return Party(
        id=row[f"{prefix}_id"],
        person_id=row[f"{prefix}_person"],
        reason=reason,
        upline_id=row[f"{prefix}_upline"],
        upline_person_id=row[f"{prefix}_upline_person"],
        touchpoint_id=touchpoint_id,
    )


def _guide(row: asyncpg.Record, prefix: str, reason: Reason, touchpoint_id: UUID | None) -> Party | None:
    if row[f"{prefix}_id"] is None:
        return None
    return Party(
        id=row[f"{prefix}_id"],
        person_id=row[f"{prefix}_person"],
        reason=reason,
        store_id=row[f"{prefix}_store"],
        touchpoint_id=touchpoint_id,
    )


async def freeze(session: AsyncSession, settings: Settings, checkout: Checkout) -> list[LineCredit]:
    """Decide every line and write the decisions down, in three statements. Lines keep their order."""
    found = await candidates(session, settings, checkout.customer_id)
    visits = {
        row["product_id"]: RoomVisit(row["room_id"], row["store_id"], row["touchpoint_id"])
        for row in await db.fetch(
            session,
            _ROOM_VISITS,
            checkout.customer_id,
            list({line.product_id for line in checkout.lines}),
            timedelta(seconds=settings.room_touch_ttl_s),
        )
    }
    decided = [
        decide(
            line.line_id,
            found,
            visits.get(line.product_id),
            buyer_id=checkout.customer_id,
            selling_store_id=checkout.selling_store_id,
        )
        for line in checkout.lines
    ]
    await db.execute(
        session,
        _FREEZE,
        checkout.order_id,
        [c.line_id for c in decided],
        [c.distributor_id for c in decided],
        [c.upline_id for c in decided],
        [c.distributor_reason.value for c in decided],
        [c.guide_id for c in decided],
        [c.guide_reason.value for c in decided],
        [c.store_id for c in decided],
        [c.store_reason.value for c in decided],
        [c.room_id for c in decided],
        [c.room_reason.value for c in decided],
        [c.touchpoint_id for c in decided],
        [c.guide_touchpoint_id for c in decided],
        [c.room_touchpoint_id for c in decided],
    )
    return decided


def _credit(row: asyncpg.Record) -> LineCredit:
    return LineCredit(
        line_id=row["line_id"],
        distributor_id=row["distributor_id"],
        upline_id=row["upline_id"],
        distributor_reason=Reason(row["distributor_reason"]),
        guide_id=row["guide_id"],
        guide_reason=Reason(row["guide_reason"]),
        store_id=row["store_id"],
        store_reason=Reason(row["store_reason"]),
        room_id=row["room_id"],
        room_reason=Reason(row["room_reason"]),
        touchpoint_id=row["touchpoint_id"],
        guide_touchpoint_id=row["guide_touchpoint_id"],
        room_touchpoint_id=row["room_touchpoint_id"],
    )


async def frozen_credits(session: AsyncSession, order_id: UUID) -> dict[UUID, LineCredit]:
    """The decisions of one order by line, as facts carry them."""
    rows = await db.fetch(session, "SELECT * FROM attribution_line WHERE order_id = $1", order_id)
    return {row["line_id"]: _credit(row) for row in rows}


async def first_credits(session: AsyncSession, order_ids: Sequence[UUID]) -> dict[UUID, LineCredit]:
    """The decision for the first line of each order."""
    rows = await db.fetch(
        session,
        "SELECT DISTINCT ON (order_id) * FROM attribution_line WHERE order_id = ANY($1) ORDER BY order_id, line_id",
        list(order_ids),
    )
    return {row["order_id"]: _credit(row) for row in rows}


def orders_of_guide(placeholder: str) -> str:
    """SQL that selects the orders with a line credited to a guide, for the scope of queries above."""
    assert placeholder.startswith("$")
    assert placeholder[1:].isdigit()
    return f"SELECT order_id FROM attribution_line WHERE guide_id = {placeholder}"  # noqa: S608  a placeholder


async def explain(session: AsyncSession, order_id: UUID) -> list[LineExplanation]:
    """Why each party won, line by line; empty for an unknown order."""
    rows = await db.fetch(session, "SELECT * FROM attribution_line WHERE order_id = $1 ORDER BY line_id", order_id)
    return [
        LineExplanation(
            line=row["line_id"],
            distributor=row["distributor_id"],
            upline=row["upline_id"],
            distributor_reason=row["distributor_reason"],
            guide=row["guide_id"],
            guide_reason=row["guide_reason"],
            store=row["store_id"],
            store_reason=row["store_reason"],
            room=row["room_id"],
            room_reason=row["room_reason"],
            touchpoint=row["touchpoint_id"],
            guide_touchpoint=row["guide_touchpoint_id"],
            room_touchpoint=row["room_touchpoint_id"],
            decided_at=row["decided_at"],
        )
        for row in rows
    ]
