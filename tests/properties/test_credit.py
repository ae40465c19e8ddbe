"""Who is credited: whatever the touches and bonds, the rules of credit hold on every line."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.attribution.rules import Candidates, Party, RoomVisit, decide
from app.attribution.schemas import Reason
from app.core.ids import new_id

PEOPLE = [new_id() for _ in range(4)]
BUYER, SELLING_STORE = PEOPLE[0], new_id()
IDS = st.sampled_from([new_id() for _ in range(6)])
PERSON = st.sampled_from(PEOPLE)
STORE = st.none() | st.sampled_from([new_id() for _ in range(3)])


@st.composite
def candidates(draw: st.DrawFn) -> Candidates:
    """As they are looked up: neither is the buyer, and they are two persons."""
    guide_person = draw(st.none() | st.sampled_from(PEOPLE[1:]))
    guide = st.builds(
        Party, id=IDS, person_id=st.just(guide_person), reason=st.just(Reason.GUIDE_TOUCH), store_id=STORE
    )
    return Candidates(
        distributor=draw(st.none() | distributors([one for one in PEOPLE[1:] if one != guide_person])),
        passed_over=draw(st.sampled_from([Reason.NONE, Reason.OWN_LINK, Reason.SAME_PERSON])),
        guide=draw(guide if guide_person else st.none() | guide),
    )


@st.composite
def distributors(draw: st.DrawFn, people: list[UUID]) -> Party:
    own = draw(IDS)
    upline = draw(st.none() | IDS.filter(lambda other: other != own))
    share = draw(st.booleans())
    return Party(
        id=own,
        person_id=draw(st.sampled_from(people)),
        reason=Reason.SHARE_TOUCH if share else Reason.BOND,
        upline_id=upline,
        upline_person_id=draw(st.none() | PERSON) if upline else None,
        touchpoint_id=new_id() if share else None,
    )


FOUND = candidates()
VISITS = st.none() | st.builds(RoomVisit, room_id=IDS, store_id=IDS, touchpoint_id=IDS)


def persons(found: Candidates, credited: list[UUID | None]) -> list[UUID]:
    """The human beings behind the parties that a line credits."""
    known: dict[UUID, UUID | None] = {}
    if found.distributor is not None:
        known[found.distributor.id] = found.distributor.person_id
        if found.distributor.upline_id is not None:
            known[found.distributor.upline_id] = found.distributor.upline_person_id
    return [person for party in credited if party is not None and (person := known.get(party)) is not None]


@given(FOUND, VISITS)
def test_the_rules_of_credit_hold(found: Candidates, visit: RoomVisit | None) -> None:
    line = new_id()
    credit = decide(line, found, visit, buyer_id=BUYER, selling_store_id=SELLING_STORE)
    paid = persons(found, [credit.distributor_id, credit.upline_id])
    if credit.guide_id is not None:
        assert found.guide is not None
        if found.guide.person_id is not None:
            paid.append(found.guide.person_id)

    assert BUYER not in paid, "nobody earns by their own purchase"
    assert len(paid) == len(set(paid)), "one person earns one way"
    assert credit.upline_id is None or credit.distributor_id is not None, "no upline without their distributor"
    assert credit.upline_id != credit.distributor_id or credit.upline_id is None
    assert sum(party is not None for party in (credit.distributor_id, credit.upline_id)) <= 2

    assert credit.line_id == line
    assert (credit.distributor_id is None) == (
        credit.distributor_reason in (Reason.NONE, Reason.OWN_LINK, Reason.SAME_PERSON)
    )
    assert (credit.guide_id is None) == (credit.guide_reason is Reason.NONE)
    assert (credit.room_id is None) == (credit.room_reason is Reason.NONE)
    assert credit.room_id == (visit.room_id if visit else None)
    assert credit.room_touchpoint_id == (visit.touchpoint_id if visit else None)
    assert (credit.touchpoint_id is not None) == (credit.distributor_reason is Reason.SHARE_TOUCH)


@given(FOUND, VISITS)
def test_the_store_is_the_guides_else_the_rooms_else_the_selling_one(
    found: Candidates, visit: RoomVisit | None
) -> None:
    credit = decide(new_id(), found, visit, buyer_id=BUYER, selling_store_id=SELLING_STORE)
    if credit.guide_id is not None and found.guide is not None and found.guide.store_id is not None:
        expected = (found.guide.store_id, Reason.GUIDE_STORE)
    elif visit is not None:
        expected = (visit.store_id, Reason.ROOM_STORE)
    else:
        expected = (SELLING_STORE, Reason.SELLING_STORE)
    assert (credit.store_id, credit.store_reason) == expected


@given(FOUND, VISITS)
def test_deciding_twice_is_deciding_once(found: Candidates, visit: RoomVisit | None) -> None:
    line = new_id()
    first = decide(line, found, visit, buyer_id=BUYER, selling_store_id=SELLING_STORE)
    assert first == decide(line, found, visit, buyer_id=BUYER, selling_store_id=SELLING_STORE)
