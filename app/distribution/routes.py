"""What customers, distributors and headquarters call for distribution."""

from fastapi import APIRouter

from app.core.auth import CurrentCustomer, Headquarters
from app.core.errors import NotFound
from app.core.http import Page, PageQuery, Reading, Tx, problems
from app.core.ids import ApplicationId, CommissionId
from app.distribution import distributors, partner, terms
from app.distribution.errors import (
    AlreadyDistributor,
    ApplicationDecided,
    ApplicationOpen,
    OverTotalCap,
    StaffNotDistributors,
)
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

customer = APIRouter(prefix="/v1/distribution", tags=["distribution"])
distributor = APIRouter(prefix="/v1/partner", tags=["distribution: partner"])
admin = APIRouter(prefix="/v1/admin/distribution", tags=["distribution: staff"])
routers = [customer, distributor, admin]


@customer.post(
    "/applications",
    summary="Apply to become a distributor",
    status_code=201,
    responses=problems(NotFound, ApplicationOpen, AlreadyDistributor, StaffNotDistributors),
)
async def create_application(actor: CurrentCustomer, body: ApplicationCreate, session: Tx) -> ApplicationView:
    """A customer has one application at a time; headquarters decides. After a refusal they may apply again."""
    return await distributors.apply(session, actor.id, body)


@customer.get("/applications", summary="List your applications")
async def list_own_applications(actor: CurrentCustomer, session: Reading, paging: PageQuery) -> Page[ApplicationView]:
    """Newest first, each with its status and, once it is decided, the reason if one was given."""
    return await distributors.list_applications(session, paging, customer_id=actor.id)


@distributor.get("/summary", summary="Get your earnings and balances", responses=problems(NotFound))
async def get_summary(actor: CurrentCustomer, session: Reading) -> SummaryView:
    """Earnings of today and of this month, by the China day on which orders were paid, and what is held, available, owed
    back and paid out by the ledger. A customer who is not a distributor gets 404, here and on all of `/v1/partner`."""
    return await partner.summary(session, await distributors.distributor_of(session, actor.id))


@distributor.get("/commissions", summary="List your commissions", responses=problems(NotFound))
async def list_commissions(
    actor: CurrentCustomer, session: Reading, paging: PageQuery, status: CommissionStatus | None = None
) -> Page[CommissionView]:
    """Newest first. Commission is counted on the goods paid, without freight; `reason` and `blocked_by` say why its money
    is where it is."""
    distributor_id = await distributors.distributor_of(session, actor.id)
    return await partner.list_commissions(session, paging, distributor_id, status=status)


@distributor.get("/commissions/{id}", summary="Get a commission with its explanation", responses=problems(NotFound))
async def get_commission(actor: CurrentCustomer, id: CommissionId, session: Reading) -> CommissionExplanation:
    """Which touch or bond won the sale, on which terms, what refunds took back, and every entry in the books."""
    return await partner.explain(session, await distributors.distributor_of(session, actor.id), id)


@distributor.get("/shares", summary="List your links", responses=problems(NotFound))
async def list_shares(actor: CurrentCustomer, session: Reading, paging: PageQuery) -> Page[ShareView]:
    """Newest first, each with visits, visitors never seen before, orders and the goods paid in them before refunds."""
    return await partner.list_shares(session, paging, await distributors.distributor_of(session, actor.id))


@admin.get("/applications", summary="List applications")
async def list_applications(
    actor: Headquarters, session: Reading, paging: PageQuery, status: ApplicationStatus | None = None
) -> Page[ApplicationView]:
    """Newest first; with `status=applied` those that wait for a decision."""
    return await distributors.list_applications(session, paging, status=status)


@admin.post(
    "/applications/{id}/decision",
    summary="Decide an application",
    responses=problems(NotFound, ApplicationDecided, AlreadyDistributor, StaffNotDistributors),
)
async def decide_application(
    actor: Headquarters, id: ApplicationId, body: DecisionCreate, session: Tx
) -> ApplicationView:
    """A decision is final. Approving makes the customer a distributor, whose links are credited from now on."""
    return await distributors.decide(session, actor.id, id, body)


@admin.get("/terms", summary="List versions of the terms")
async def list_terms(actor: Headquarters, session: Reading, paging: PageQuery) -> Page[TermsView]:
    """Newest first. Before the first version, level 1 earns 10 % and level 2 nothing, held for 15 days."""
    return await terms.list_terms(session, paging)


@admin.put("/terms", summary="Set the terms", responses=problems(OverTotalCap))
async def set_terms(actor: Headquarters, body: TermsPut, session: Tx) -> TermsView:
    """Adds a version that counts for orders placed from now on; earlier orders keep their terms, also for their refunds.
    A line pays two levels at most, and their rates together at most `total_cap_bps`."""
    return await terms.set_terms(session, actor.id, body)
