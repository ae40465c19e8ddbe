"""What customers, distributors and headquarters call for distribution."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.core.auth import Actor, CurrentCustomer, headquarters
from app.core.errors import Forbidden, NotFound, Unauthenticated, ValidationFailed
from app.core.http import Page, PageQuery, Tx, problems
from app.core.http.pages import CursorInvalid
from app.core.ids import ApplicationId, CommissionId
from app.distribution import distributors, partner, terms
from app.distribution.errors import AlreadyDistributor, ApplicationDecided, ApplicationOpen
from app.distribution.schemas import (
    ApplicationCreate,
    ApplicationStatus,
    ApplicationView,
    CommissionExplanation,
    CommissionStatus,
    CommissionView,
    DecisionCreate,
    ShareView,
    SummaryView,
    TermsPut,
    TermsView,
)

router = APIRouter(prefix="/v1", tags=["distribution"])
routers = [router]

Headquarters = Annotated[Actor, Depends(headquarters)]


@router.post(
    "/distribution/applications",
    summary="Apply to become a distributor",
    status_code=201,
    responses=problems(Unauthenticated, Forbidden, NotFound, ApplicationOpen, AlreadyDistributor, ValidationFailed),
)
async def apply(actor: CurrentCustomer, body: ApplicationCreate, session: Tx) -> ApplicationView:
    """One application at a time; headquarters decides. After a refusal one may apply again."""
    return await distributors.apply(session, actor.id, body)


@router.get(
    "/distribution/applications",
    summary="One's applications",
    responses=problems(Unauthenticated, Forbidden, CursorInvalid, ValidationFailed),
)
async def list_own_applications(actor: CurrentCustomer, session: Tx, paging: PageQuery) -> Page[ApplicationView]:
    """Newest first, each with the state it is in and, once it is decided, the reason if one was given."""
    return await distributors.list_applications(session, paging, customer_id=actor.id)


@router.get(
    "/partner/summary", summary="One's money at a glance", responses=problems(Unauthenticated, Forbidden, NotFound)
)
async def get_summary(actor: CurrentCustomer, session: Tx) -> SummaryView:
    """Today and this month by China's days, counted on when orders were paid, and what is held, available, owed back and
    paid out by the ledger. 404 for a customer who is not a distributor, here and on all of `/v1/partner`."""
    return await partner.summary(session, await distributors.distributor_of(session, actor.id))


@router.get(
    "/partner/commissions",
    summary="One's commissions",
    responses=problems(Unauthenticated, Forbidden, NotFound, CursorInvalid, ValidationFailed),
)
async def list_commissions(
    actor: CurrentCustomer, session: Tx, paging: PageQuery, status: CommissionStatus | None = None
) -> Page[CommissionView]:
    """Newest first. `reason` says why the money is where it is; it is counted on the goods paid, freight apart."""
    distributor_id = await distributors.distributor_of(session, actor.id)
    return await partner.list_commissions(session, distributor_id, status, paging)


@router.get(
    "/partner/commissions/{commission_id}",
    summary="One commission, explained",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def explain_commission(actor: CurrentCustomer, commission_id: CommissionId, session: Tx) -> CommissionExplanation:
    """Which touch or bond won the sale, on which terms, what refunds took back, and every entry in the books."""
    return await partner.explain(session, await distributors.distributor_of(session, actor.id), commission_id)


@router.get(
    "/partner/shares",
    summary="One's links",
    responses=problems(Unauthenticated, Forbidden, NotFound, CursorInvalid, ValidationFailed),
)
async def list_shares(actor: CurrentCustomer, session: Tx, paging: PageQuery) -> Page[ShareView]:
    """Newest first, each with visits, visitors never seen before, orders and the goods paid in them before refunds."""
    return await partner.list_shares(session, await distributors.distributor_of(session, actor.id), paging)


@router.get(
    "/admin/distribution/applications",
    summary="Applications",
    responses=problems(Unauthenticated, Forbidden, CursorInvalid, ValidationFailed),
)
async def list_applications(
    actor: Headquarters, session: Tx, paging: PageQuery, status: ApplicationStatus | None = None
) -> Page[ApplicationView]:
    """Newest first; `status=applied` is what waits for a decision."""
    return await distributors.list_applications(session, paging, status=status)


@router.post(
    "/admin/distribution/applications/{application_id}/decision",
    summary="Approve or refuse",
    responses=problems(Unauthenticated, Forbidden, NotFound, ApplicationDecided, AlreadyDistributor, ValidationFailed),
)
async def decide(
    actor: Headquarters, application_id: ApplicationId, body: DecisionCreate, session: Tx
) -> ApplicationView:
    """Once and for all. Approving makes the distributor, whose links are credited from now on."""
    return await distributors.decide(session, actor.id, application_id, body)


@router.get(
    "/admin/distribution/terms",
    summary="Versions of the terms",
    responses=problems(Unauthenticated, Forbidden, CursorInvalid, ValidationFailed),
)
async def list_terms(actor: Headquarters, session: Tx, paging: PageQuery) -> Page[TermsView]:
    """Newest first. Without any, level 1 earns 10 % and level 2 nothing, held for 15 days."""
    return await terms.list_versions(session, paging)


@router.put(
    "/admin/distribution/terms", summary="New terms", responses=problems(Unauthenticated, Forbidden, ValidationFailed)
)
async def put_terms(actor: Headquarters, body: TermsPut, session: Tx) -> TermsView:
    """Count for orders placed from now on; what was placed before keeps its terms, its refunds too. Two levels is all
    that a line can ever pay."""
    return await terms.add_version(session, actor.id, body)
