"""Becoming a distributor, and being one."""

from collections.abc import Collection
from uuid import UUID

import msgspec

from app import attribution, customers
from app.attribution import PromoterKind
from app.core.db import Listing, Session, Statement
from app.core.errors import NotFound
from app.core.ids import ApplicationId, new_id
from app.core.paging import Page, Paging
from app.distribution.errors import AlreadyDistributor, ApplicationDecided, ApplicationOpen, StaffNotDistributors
from app.distribution.schemas import ApplicationCreate, ApplicationStatus, ApplicationView, DecisionCreate


class _Applicant(msgspec.Struct, frozen=True):
    customer_id: UUID
    inviter_id: UUID | None


class _Distributor(msgspec.Struct, frozen=True):
    id: UUID
    customer_id: UUID
    upline_id: UUID | None


_READ = """SELECT a.id, a.customer_id AS customer, a.name, a.inviter_id AS inviter, a.status, a.reason, a.created_at,
                  a.decided_at, CASE WHEN a.status = 'approved' THEN d.id END AS distributor
           FROM distribution_application a LEFT JOIN distribution_distributor d ON d.customer_id = a.customer_id"""
_APPLICATION = Statement(f"{_READ} WHERE a.id = :application_id", ApplicationView)
_APPLICATIONS = Listing(
    f"{_READ} WHERE {{filters}} ORDER BY a.id DESC LIMIT :limit",
    ApplicationView,
    filters={"status": "a.status = :status", "customer_id": "a.customer_id = :customer_id", "after": "a.id < :after"},
)
_APPLY = Statement(
    """INSERT INTO distribution_application (id, customer_id, inviter_id, name, status)
       VALUES (:id, :customer_id, :inviter_id, :name, 'applied')
       ON CONFLICT (customer_id) WHERE status = 'applied' DO NOTHING"""
)
_DECIDE = Statement(
    """UPDATE distribution_application
       SET status = :status, reason = :reason, decided_by = :decided_by, decided_at = clock_timestamp()
       WHERE id = :application_id AND status = 'applied' RETURNING customer_id, inviter_id""",
    _Applicant,
)
# An inviter who was suspended meanwhile is nobody's upline.
_JOIN = Statement(
    """INSERT INTO distribution_distributor (id, customer_id, upline_id, status)
       VALUES (:id, :customer_id,
               (SELECT id FROM distribution_distributor WHERE id = :inviter_id AND status = 'active'), 'active')
       ON CONFLICT (customer_id) DO NOTHING RETURNING id, customer_id, upline_id""",
    _Distributor,
)
_DISTRIBUTOR_OF = Statement("SELECT id FROM distribution_distributor WHERE customer_id = :customer_id", UUID)
_IS_ACTIVE = Statement(
    "SELECT EXISTS (SELECT FROM distribution_distributor WHERE id = :distributor_id AND status = 'active')", bool
)
_DISTRIBUTORS = Statement(
    "SELECT id, customer_id, upline_id FROM distribution_distributor WHERE id = ANY(:ids)", _Distributor
)


async def apply(session: Session, customer_id: UUID, body: ApplicationCreate) -> ApplicationView:
    """Apply to become a distributor. Raises NotFound for an unknown inviter, ApplicationOpen, AlreadyDistributor,
    StaffNotDistributors."""
    await customers.lock(session, customer_id)
    if not await attribution.may_distribute(session, customer_id):
        raise StaffNotDistributors
    if await _DISTRIBUTOR_OF.first(session, customer_id=customer_id) is not None:
        raise AlreadyDistributor
    if body.inviter is not None and not await _IS_ACTIVE.one(session, distributor_id=body.inviter):
        raise NotFound
    application_id = new_id()
    if not await _APPLY.run(
        session, id=application_id, customer_id=customer_id, inviter_id=body.inviter, name=body.name
    ):
        raise ApplicationOpen
    return await _application(session, application_id)


async def _application(session: Session, application_id: UUID) -> ApplicationView:
    application = await _APPLICATION.first(session, application_id=application_id)
    if application is None:
        raise NotFound
    return application


async def list_applications(
    session: Session, paging: Paging, *, status: ApplicationStatus | None = None, customer_id: UUID | None = None
) -> Page[ApplicationView]:
    """Applications, newest first; `status` and `customer_id` narrow them. Raises CursorInvalid."""
    return await paging.read(session, ApplicationId, _APPLICATIONS, status=status, customer_id=customer_id)


async def decide(session: Session, staff_id: UUID, application_id: UUID, body: DecisionCreate) -> ApplicationView:
    """Approve or refuse, once. Approving makes the distributor, who can be credited from now on.

    Raises NotFound, ApplicationDecided, AlreadyDistributor, StaffNotDistributors.
    """
    await customers.lock(session, (await _application(session, application_id)).customer)
    applicant = await _DECIDE.first(
        session,
        application_id=application_id,
        status=ApplicationStatus.APPROVED if body.approve else ApplicationStatus.REFUSED,
        reason=body.reason,
        decided_by=staff_id,
    )
    if applicant is None:
        raise ApplicationDecided(status=(await _application(session, application_id)).status)
    if body.approve:
        await _join(session, applicant)
    return await _application(session, application_id)


async def _join(session: Session, applicant: _Applicant) -> None:
    if not await attribution.may_distribute(session, applicant.customer_id):
        raise StaffNotDistributors
    distributor = await _JOIN.first(
        session, id=new_id(), customer_id=applicant.customer_id, inviter_id=applicant.inviter_id
    )
    if distributor is None:
        raise AlreadyDistributor
    await attribution.register_promoter(
        session,
        promoter_id=distributor.id,
        kind=PromoterKind.DISTRIBUTOR,
        person_id=distributor.customer_id,
        upline_id=distributor.upline_id,
        store_id=None,
    )


async def distributor_of(session: Session, customer_id: UUID) -> UUID:
    """The distributor that this customer is. Raises NotFound."""
    distributor_id = await _DISTRIBUTOR_OF.first(session, customer_id=customer_id)
    if distributor_id is None:
        raise NotFound
    return distributor_id


async def distributor_names(session: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """Masked names ("L**") by distributor; an unknown id is left out."""
    found = await _DISTRIBUTORS.all(session, ids=list(set(ids)))
    names = await customers.masked_names(session, [distributor.customer_id for distributor in found])
    return {distributor.id: names[distributor.customer_id] for distributor in found}
