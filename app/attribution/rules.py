"""The rules of credit for one line. Pure."""

from dataclasses import dataclass
from uuid import UUID

from app.attribution.schemas import LineCredit, Reason


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who can be credited, and why. `person_id` is their own customer account, if they have one; `store_id` is
    the store where a guide worked when the buyer met them; `touchpoint_id` is where that was, None for a bond."""

    id: UUID
    person_id: UUID | None
    reason: Reason
    store_id: UUID | None = None
    upline_id: UUID | None = None
    upline_person_id: UUID | None = None
    touchpoint_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RoomVisit:
    """The last visit to a room with the line's product on its shelf."""

    room_id: UUID
    store_id: UUID
    touchpoint_id: UUID


@dataclass(frozen=True, slots=True)
class Candidates:
    """The last ones who can be credited, whatever the product. Neither is the buyer, and they are two persons.
    `passed_over` says why nobody is the distributor: NONE where nobody brought the buyer. `inviting_store_id` is the store
    of the very first touch."""

    distributor: Party | None
    passed_over: Reason
    guide: Party | None
    inviting_store_id: UUID | None = None


def decide(
    line_id: UUID, found: Candidates, visit: RoomVisit | None, *, buyer_id: UUID, selling_store_id: UUID
) -> LineCredit:
    """The credit of one line. An upline is not paid for their own purchase, nor beside themselves as guide or
    distributor."""
    distributor, guide = found.distributor, found.guide
    store_id, store_reason = _store(guide, visit, selling_store_id)
    return LineCredit(
        line_id=line_id,
        distributor_id=distributor.id if distributor else None,
        upline_id=_upline(distributor, guide, buyer_id) if distributor else None,
        distributor_reason=distributor.reason if distributor else found.passed_over,
        touchpoint_id=distributor.touchpoint_id if distributor else None,
        guide_id=guide.id if guide else None,
        guide_reason=guide.reason if guide else Reason.NONE,
        guide_touchpoint_id=guide.touchpoint_id if guide else None,
        store_id=store_id,
        store_reason=store_reason,
        room_id=visit.room_id if visit else None,
        room_reason=Reason.ROOM_TOUCH if visit else Reason.NONE,
        room_touchpoint_id=visit.touchpoint_id if visit else None,
        inviting_store_id=found.inviting_store_id,
    )


def _upline(distributor: Party, guide: Party | None, buyer_id: UUID) -> UUID | None:
    person = distributor.upline_person_id
    # An upline who is no longer a distributor has no valid row and so no person here; they are not paid.
    if person is None or person in (buyer_id, distributor.person_id, guide.person_id if guide else None):
        return None
    return distributor.upline_id


def _store(guide: Party | None, visit: RoomVisit | None, selling_store_id: UUID) -> tuple[UUID, Reason]:
    if guide is not None and guide.store_id is not None:
        return guide.store_id, Reason.GUIDE_STORE
    if visit is not None:
        return visit.store_id, Reason.ROOM_STORE
    return selling_store_id, Reason.SELLING_STORE
