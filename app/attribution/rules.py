"""The rules of credit for one line. Pure."""

from dataclasses import dataclass
from uuid import UUID

from app.attribution.schemas import LineCredit, Reason


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who could be credited, and why. `person_id` is their own customer account, if they have one;
    `touchpoint_id` is where the buyer met them, None for a bond."""

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
    """The winners before the product is looked at. `own_link` says that the buyer came by a link of their own."""

    distributor: Party | None
    guide: Party | None
    bond_store_id: UUID | None
    own_link: bool


@dataclass(frozen=True, slots=True)
class Parties:
    """Who is credited whatever the product, and why the distributor won or nobody did."""

    distributor: Party | None
    distributor_reason: Reason
    guide: Party | None


def eliminate(found: Candidates, buyer_id: UUID) -> Parties:
    """Who is left. Buying through your own link earns nothing, and a person earns one way: whoever is credited as the
    guide is not also paid as the distributor."""
    guide = None if found.guide is not None and found.guide.person_id == buyer_id else found.guide
    distributor, own_link = found.distributor, found.own_link
    if distributor is not None and distributor.person_id == buyer_id:
        distributor, own_link = None, True
    if distributor is None:
        return Parties(None, Reason.OWN_LINK if own_link else Reason.NONE, guide)
    if guide is not None and _same_person(distributor.person_id, guide.person_id):
        return Parties(None, Reason.SAME_PERSON, guide)
    return Parties(distributor, distributor.reason, guide)


def decide(
    line_id: UUID, found: Candidates, visit: RoomVisit | None, *, buyer_id: UUID, selling_store_id: UUID
) -> LineCredit:
    """The credit of one line. An upline is not paid for their own purchase, nor beside themselves as guide or
    distributor."""
    parties = eliminate(found, buyer_id)
    distributor, guide = parties.distributor, parties.guide
    store_id, store_reason = _store(guide, visit, found.bond_store_id, selling_store_id)
    return LineCredit(
        line_id=line_id,
        distributor_id=distributor.id if distributor else None,
        upline_id=_upline(distributor, guide, buyer_id) if distributor else None,
        distributor_reason=parties.distributor_reason,
        touchpoint_id=distributor.touchpoint_id if distributor else None,
        guide_id=guide.id if guide else None,
        guide_reason=guide.reason if guide else Reason.NONE,
        guide_touchpoint_id=guide.touchpoint_id if guide else None,
        store_id=store_id,
        store_reason=store_reason,
        room_id=visit.room_id if visit else None,
        room_reason=Reason.ROOM_TOUCH if visit else Reason.NONE,
        room_touchpoint_id=visit.touchpoint_id if visit else None,
    )


def _same_person(one: UUID | None, other: UUID | None) -> bool:
    return one is not None and one == other


def _upline(distributor: Party, guide: Party | None, buyer_id: UUID) -> UUID | None:
    person = distributor.upline_person_id
    if person in (buyer_id, distributor.person_id) or (guide is not None and _same_person(person, guide.person_id)):
        return None
    # An upline who is no longer a distributor has no valid row and so no person here; they are not paid.
    return distributor.upline_id if person is not None else None


def _store(
    guide: Party | None, visit: RoomVisit | None, bond_store_id: UUID | None, selling_store_id: UUID
) -> tuple[UUID, Reason]:
    if guide is not None and guide.store_id is not None:
        return guide.store_id, Reason.GUIDE_STORE
    if visit is not None:
        return visit.store_id, Reason.ROOM_STORE
    if bond_store_id is not None:
        return bond_store_id, Reason.BOND
    return selling_store_id, Reason.SELLING_STORE
