"""The decision: who is credited, made once at checkout for each line and frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from app.attribution.models import FrozenLine
from app.attribution.rules import Candidates, Party, RoomVisit, decide
from app.attribution.schemas import LineCredit, LineExplanation, LineToCredit, Reason
from app.attribution.windows import DEFAULT_WINDOWS
from app.core.db import BulkInsert, Session, Statement


class _Visit(msgspec.Struct, frozen=True):
    product_id: UUID
    room_id: UUID
    store_id: UUID
    touchpoint_id: UUID


class _CandidateRow(msgspec.Struct, frozen=True):
    share_touchpoint: UUID | None
    share_id: UUID | None
    share_person: UUID | None
    share_upline: UUID | None
    share_upline_person: UUID | None
    bond_id: UUID | None
    bond_person: UUID | None
    bond_upline: UUID | None
    bond_upline_person: UUID | None
    guide_touchpoint: UUID | None
    guide_id: UUID | None
    guide_person: UUID | None
    guide_store: UUID | None
    passed_over: Reason | None
    inviting_store: UUID | None
    visits: tuple[_Visit, ...]


class _FrozenRow(LineCredit, frozen=True, kw_only=True):
    order_id: UUID


class _ExplainedRow(_FrozenRow, frozen=True, kw_only=True):
    decided_at: datetime


def _is_staff(person: str) -> str:
    return f"EXISTS (SELECT FROM attribution_staff x WHERE x.person_id = {person})"


# One statement, since every order runs it. Only promoters who are valid now can win, and guides who had a store when the
# buyer came by; who is the buyer, the guide of the line, or staff (as a distributor), is passed over for the next.
_CANDIDATES = Statement(
    f"""SELECT
           s.touchpoint_id AS share_touchpoint, s.promoter_id AS share_id, s.person_id AS share_person,
           s.upline_id AS share_upline, s.upline_person AS share_upline_person,
           b.promoter_id AS bond_id, b.person_id AS bond_person,
           b.upline_id AS bond_upline, b.upline_person AS bond_upline_person,
           g.touchpoint_id AS guide_touchpoint, g.promoter_id AS guide_id, g.person_id AS guide_person,
           g.store_id AS guide_store,
           CASE WHEN coalesce(s.promoter_id, b.promoter_id) IS NULL THEN coalesce(
               (SELECT CASE o.person_id WHEN :customer_id THEN 'own_link' WHEN g.person_id THEN 'same_person' ELSE 'staff' END
                FROM attribution_touch t
                JOIN attribution_promoter o ON o.promoter_id = t.distributor_id AND o.valid_to IS NULL
                WHERE t.customer_id = :customer_id AND t.touched_at > since.share
                  AND (o.person_id IN (:customer_id, g.person_id) OR NOT rule.staff_may AND {_is_staff("o.person_id")})
                ORDER BY t.touched_at DESC, t.id DESC LIMIT 1),
               (SELECT CASE o.person_id WHEN g.person_id THEN 'same_person' ELSE 'staff' END FROM attribution_bond a
                JOIN attribution_promoter o ON o.promoter_id = a.promoter_id AND o.valid_to IS NULL
                WHERE a.customer_id = :customer_id AND a.ended_at IS NULL
                  AND (o.person_id = g.person_id OR NOT rule.staff_may AND {_is_staff("o.person_id")}))
           ) END AS passed_over,
           (SELECT coalesce(guide_store_id, store_id) FROM attribution_touch
            WHERE customer_id = :customer_id AND first) AS inviting_store,
           coalesce((
               SELECT jsonb_agg(jsonb_build_object('product_id', p.product_id, 'room_id', v.room_id,
                                                   'store_id', v.store_id, 'touchpoint_id', v.touchpoint_id))
               FROM unnest(:products::uuid[]) AS p(product_id)
               CROSS JOIN LATERAL (
                   SELECT t.room_id, w.store_id, t.touchpoint_id
                   FROM attribution_touch t
                   JOIN attribution_touchpoint w
                       ON w.room_id = t.room_id AND w.kind = 'room' AND w.live_from <= one.at
                   JOIN attribution_shelf s ON s.room_id = t.room_id AND s.product_id = p.product_id
                   WHERE t.customer_id = :customer_id AND t.touched_at > since.room
                     AND coalesce(s.removed_at, 'infinity') > t.touched_at
                   ORDER BY t.touched_at DESC, t.id DESC LIMIT 1
               ) v
           ), '[]') AS visits
       FROM (SELECT coalesce(:placed_at::timestamptz, statement_timestamp()) AS at) AS one
       LEFT JOIN LATERAL (
           SELECT share_touch_ttl_s, room_touch_ttl_s, guide_touch_ttl_s, staff_may_distribute, own_link_stops
           FROM attribution_rule WHERE valid_from <= one.at ORDER BY valid_from DESC, id DESC LIMIT 1
       ) r ON true
       CROSS JOIN LATERAL (
           SELECT coalesce(r.staff_may_distribute, :staff_may) AS staff_may, coalesce(r.own_link_stops, :own_stops) AS own_stops
       ) rule
       CROSS JOIN LATERAL (
           SELECT one.at - make_interval(secs => coalesce(r.share_touch_ttl_s, :share_ttl_s)) AS share,
                  one.at - make_interval(secs => coalesce(r.room_touch_ttl_s, :room_ttl_s)) AS room,
                  one.at - make_interval(secs => coalesce(r.guide_touch_ttl_s, :guide_ttl_s)) AS guide
       ) since
       LEFT JOIN LATERAL (
           SELECT t.touchpoint_id, p.promoter_id, p.person_id, t.guide_store_id AS store_id
           FROM attribution_touch t
           JOIN attribution_promoter p ON p.promoter_id = t.guide_id AND p.valid_to IS NULL
           JOIN attribution_touchpoint o ON o.id = t.touchpoint_id
           LEFT JOIN attribution_touchpoint w ON w.room_id = t.room_id AND w.kind = 'room'
           WHERE t.customer_id = :customer_id AND t.touched_at > since.guide AND t.guide_store_id IS NOT NULL
             AND p.person_id IS DISTINCT FROM :customer_id
             AND (o.kind = 'share' AND o.guide_id IS NOT NULL OR w.live_from <= one.at)
           ORDER BY t.touched_at DESC, t.id DESC LIMIT 1
       ) g ON true
       CROSS JOIN LATERAL (
           SELECT max(t.touched_at) AS at FROM attribution_touch t
           JOIN attribution_promoter o ON o.promoter_id = t.distributor_id AND o.valid_to IS NULL
           WHERE rule.own_stops AND t.customer_id = :customer_id AND t.touched_at > since.share
             AND o.person_id = :customer_id
       ) own_link
       LEFT JOIN LATERAL (
           SELECT t.touchpoint_id, p.promoter_id, p.person_id, p.upline_id, u.person_id AS upline_person
           FROM attribution_touch t
           JOIN attribution_promoter p ON p.promoter_id = t.distributor_id AND p.valid_to IS NULL
           LEFT JOIN attribution_promoter u
               ON u.promoter_id = p.upline_id AND u.valid_to IS NULL
                  AND (rule.staff_may OR NOT {_is_staff("u.person_id")})
           WHERE t.customer_id = :customer_id AND t.touched_at > greatest(since.share, own_link.at)
             AND (p.person_id IN (:customer_id, g.person_id)) IS NOT TRUE
             AND (rule.staff_may OR NOT {_is_staff("p.person_id")})
           ORDER BY t.touched_at DESC, t.id DESC LIMIT 1
       ) s ON true
       LEFT JOIN LATERAL (
           SELECT p.promoter_id, p.person_id, p.upline_id, u.person_id AS upline_person
           FROM attribution_bond a
           JOIN attribution_promoter p ON p.promoter_id = a.promoter_id AND p.valid_to IS NULL
           LEFT JOIN attribution_promoter u
               ON u.promoter_id = p.upline_id AND u.valid_to IS NULL
                  AND (rule.staff_may OR NOT {_is_staff("u.person_id")})
           WHERE a.customer_id = :customer_id AND a.ended_at IS NULL AND own_link.at IS NULL
             AND (p.person_id IN (:customer_id, g.person_id)) IS NOT TRUE
             AND (rule.staff_may OR NOT {_is_staff("p.person_id")})
       ) b ON true""",
    _CandidateRow,
)

_COLUMNS = ", ".join(_FrozenRow.__struct_fields__)
_FREEZE = BulkInsert(FrozenLine, _FrozenRow)
_CREDITS = Statement(f"SELECT {_COLUMNS} FROM attribution_line WHERE order_id = ANY(:order_ids)", _FrozenRow)
_EXPLAIN = Statement(
    f"SELECT {_COLUMNS}, decided_at FROM attribution_line WHERE order_id = :order_id ORDER BY line_id",
    _ExplainedRow,
)

_TOLD_WRONG = """
    SELECT t.id, t.credit::text AS was, coalesce(f.credit::text, 'nothing') AS due
    FROM (SELECT (l ->> 'line_id')::uuid AS id, jsonb_strip_nulls(l -> 'credit') AS credit
          FROM told t CROSS JOIN jsonb_array_elements(t.payload -> 'lines') AS l WHERE t.type = :{event_type}) t
    LEFT JOIN (SELECT a.line_id AS id, jsonb_strip_nulls(to_jsonb(a) - 'order_id' - 'decided_at') AS credit
               FROM attribution_line a) f ON f.id = t.id
    WHERE f.credit IS DISTINCT FROM t.credit"""
ORDERS_OF_GUIDE = "SELECT order_id FROM attribution_line WHERE guide_id = :guide_id"
"""SQL that selects the orders with a line credited to a guide, for the scope of queries above."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """What is being bought, by whom, where."""

    order_id: UUID
    customer_id: UUID
    placed_at: datetime
    selling_store_id: UUID
    lines: Sequence[LineToCredit]


async def candidates(session: Session, customer_id: UUID) -> Candidates:
    """Who would be credited if the customer bought now, as far as it does not depend on the product."""
    return _candidates(await _look_up(session, customer_id, [], placed_at=None))


async def _look_up(
    session: Session, customer_id: UUID, products: Sequence[UUID], *, placed_at: datetime | None
) -> _CandidateRow:
    return await _CANDIDATES.one(
        session,
        customer_id=customer_id,
        products=products,
        placed_at=placed_at,
        share_ttl_s=DEFAULT_WINDOWS.share_touch_ttl_s,
        room_ttl_s=DEFAULT_WINDOWS.room_touch_ttl_s,
        guide_ttl_s=DEFAULT_WINDOWS.guide_touch_ttl_s,
        staff_may=DEFAULT_WINDOWS.staff_may_distribute,
        own_stops=DEFAULT_WINDOWS.own_link_stops,
    )


def _candidates(row: _CandidateRow) -> Candidates:
    return Candidates(
        distributor=_share(row) or _bond(row),
        passed_over=row.passed_over or Reason.NONE,
        guide=_guide(row),
        inviting_store_id=row.inviting_store,
    )


def _share(row: _CandidateRow) -> Party | None:
    if row.share_id is None:
        return None
    return Party(
        id=row.share_id,
        person_id=row.share_person,
        reason=Reason.SHARE_TOUCH,
        upline_id=row.share_upline,
        upline_person_id=row.share_upline_person,
        touchpoint_id=row.share_touchpoint,
    )


def _bond(row: _CandidateRow) -> Party | None:
    if row.bond_id is None:
        return None
    return Party(
        id=row.bond_id,
        person_id=row.bond_person,
        reason=Reason.BOND,
        upline_id=row.bond_upline,
        upline_person_id=row.bond_upline_person,
    )


def _guide(row: _CandidateRow) -> Party | None:
    if row.guide_id is None:
        return None
    return Party(
        id=row.guide_id,
        person_id=row.guide_person,
        reason=Reason.GUIDE_TOUCH,
        store_id=row.guide_store,
        touchpoint_id=row.guide_touchpoint,
    )


async def freeze(session: Session, checkout: Checkout) -> list[LineCredit]:
    """Decide every line, and leave the decisions to be written with what else is being placed. Lines keep their order."""
    products = list({line.product_id for line in checkout.lines})
    row = await _look_up(session, checkout.customer_id, products, placed_at=checkout.placed_at)
    found = _candidates(row)
    visits = {visit.product_id: RoomVisit(visit.room_id, visit.store_id, visit.touchpoint_id) for visit in row.visits}
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
    _FREEZE.later(
        session, [_FrozenRow(order_id=checkout.order_id, **msgspec.structs.asdict(credit)) for credit in decided]
    )
    return decided


async def credits_of(session: Session, order_ids: Sequence[UUID]) -> dict[UUID, LineCredit]:
    """The frozen decisions of some orders by line, as events carry them."""
    rows = await _CREDITS.all(session, order_ids=order_ids)
    return {row.line_id: _credit(row) for row in rows}


def _credit(row: _FrozenRow) -> LineCredit:
    return LineCredit(**{name: getattr(row, name) for name in LineCredit.__struct_fields__})


async def explain(session: Session, order_id: UUID) -> list[LineExplanation]:
    """Why each party won, line by line; empty for an unknown order."""
    return [
        LineExplanation(
            line=row.line_id,
            distributor=row.distributor_id,
            upline=row.upline_id,
            distributor_reason=row.distributor_reason,
            guide=row.guide_id,
            guide_reason=row.guide_reason,
            store=row.store_id,
            store_reason=row.store_reason,
            room=row.room_id,
            room_reason=row.room_reason,
            touchpoint=row.touchpoint_id,
            guide_touchpoint=row.guide_touchpoint_id,
            room_touchpoint=row.room_touchpoint_id,
            inviting_store=row.inviting_store_id,
            decided_at=row.decided_at,
        )
        for row in await _EXPLAIN.all(session, order_id=order_id)
    ]


def credits_told_wrong(event_type: str) -> str:
    """An audit's query, over `told`: lines whose credit in the events of the type that this parameter names is not the
    frozen one."""
    return _TOLD_WRONG.format(event_type=event_type)
