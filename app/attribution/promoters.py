"""Promoters: written by calls from stores and distribution."""

from uuid import UUID

from app.attribution.schemas import PromoterKind
from app.attribution.windows import WINDOWS
from app.core.db import Session, Statement
from app.core.ids import new_id

_REGISTER = Statement(
    """INSERT INTO attribution_promoter (id, promoter_id, kind, person_id, upline_id, store_id)
       VALUES (:id, :promoter_id, :kind, :person_id, :upline_id, :store_id)"""
)
_END = Statement(
    """UPDATE attribution_promoter SET valid_to = clock_timestamp()
       WHERE promoter_id = :promoter_id AND valid_to IS NULL"""
)
_EMPLOY = Statement("INSERT INTO attribution_staff (person_id) VALUES (:person_id) ON CONFLICT DO NOTHING")
_DISMISS = Statement("DELETE FROM attribution_staff WHERE person_id = :person_id")
_IS_STAFF = Statement("SELECT EXISTS (SELECT FROM attribution_staff WHERE person_id = :person_id)", bool)
_MOVE = Statement(
    """WITH ended AS (
           UPDATE attribution_promoter SET valid_to = clock_timestamp()
           WHERE promoter_id = :promoter_id AND valid_to IS NULL
           RETURNING promoter_id, kind, person_id, upline_id
       )
       INSERT INTO attribution_promoter (id, promoter_id, kind, person_id, upline_id, store_id)
       SELECT :id, promoter_id, kind, person_id, upline_id, :store_id FROM ended"""
)


async def register_promoter(
    session: Session,
    *,
    promoter_id: UUID,
    kind: PromoterKind,
    person_id: UUID | None,
    upline_id: UUID | None,
    store_id: UUID | None,
) -> None:
    """From now on `promoter_id` may be credited. `person_id` is the party's own customer account, if they have one."""
    await _REGISTER.run(
        session,
        id=new_id(),
        promoter_id=promoter_id,
        kind=kind,
        person_id=person_id,
        upline_id=upline_id,
        store_id=store_id,
    )


async def end_promoter(session: Session, promoter_id: UUID) -> None:
    """From now on nothing new is credited to the promoter; frozen orders keep their credit."""
    await _END.run(session, promoter_id=promoter_id)


async def move_promoter(session: Session, promoter_id: UUID, *, store_id: UUID | None) -> None:
    """Another store from now on; does nothing when the promoter is not valid."""
    await _MOVE.run(session, id=new_id(), promoter_id=promoter_id, store_id=store_id)


async def employ(session: Session, person_id: UUID) -> None:
    """The account is that of somebody who works for the brand from now on: they earn no commission by their links, unless
    the rule lets staff."""
    await _EMPLOY.run(session, person_id=person_id)


async def dismiss(session: Session, person_id: UUID) -> None:
    """The account's owner works for the brand no more."""
    await _DISMISS.run(session, person_id=person_id)


async def may_distribute(session: Session, person_id: UUID) -> bool:
    """Whether a person may earn commission: not staff, unless the rule of now lets them."""
    if not await _IS_STAFF.one(session, person_id=person_id):
        return True
    return (await WINDOWS.current(session)).staff_may_distribute
