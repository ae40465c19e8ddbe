"""Stores over HTTP: the organisation and its performance for staff, and stores as customers find them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from limits import parse

from app.core.auth import AnyStaff, CurrentCustomer, CurrentStaff, Headquarters, Managers, Regional, Visitor, public
from app.core.errors import NotFound, VersionConflict
from app.core.http import Page, PageQuery, Plain, Reading, RuntimeDep, Tx, limit, problems, spend, spends
from app.core.ids import StaffId, StoreId, UnitId
from app.stores import flows, organisation, ranking, splits, staff, storefront
from app.stores.errors import (
    AccountLinked,
    AccountLinkNotGrantable,
    LegalEntityNotGrantable,
    LoginFailed,
    LoginTaken,
    MeasureNotOfGuides,
    NearUnreadable,
    OrganisationCodeTaken,
    PasswordWrong,
    PeriodUnreadable,
    PostMismatch,
    RegionsOutOfReach,
    RoleNotGrantable,
)
from app.stores.schemas import (
    AdminSessionCreate,
    AdminSessionView,
    By,
    ChosenStoreUpdate,
    ChosenStoreView,
    Measure,
    PasswordUpdate,
    PerformanceView,
    SplitRulePut,
    SplitRuleView,
    StaffCreate,
    StaffUpdate,
    StaffView,
    StoreCard,
    StoreCreate,
    StoreUpdate,
    StoreView,
    UnitCreate,
    UnitUpdate,
    UnitView,
)

customer = APIRouter(prefix="/v1", tags=["stores"])
admin = APIRouter(prefix="/v1/admin", tags=["stores: staff"])
routers = [customer, admin]


_TRIES = parse("30/10minutes")


@spends(_TRIES, per="login name")
async def _spare_the_login(request: Request, body: AdminSessionCreate) -> None:
    """The passwords of one login are tried so often and no more, from however many addresses."""
    await spend(request, _TRIES, "stores.log_in_as", body.login.casefold())


@admin.post(
    "/session",
    summary="Log in as staff",
    dependencies=[public, limit("stores.log_in", "10/minute"), Depends(_spare_the_login)],
    responses=problems(LoginFailed),
)
async def log_in(body: AdminSessionCreate, runtime: RuntimeDep) -> AdminSessionView:
    """Refresh at `POST /v1/session/refresh`, log out with `DELETE /v1/session`. The first login of a new installation
    is made with `siyu staff create`. A wrong password and an unknown login answer alike."""
    return await flows.log_in(runtime, body)


@admin.get("/me", summary="Get your staff account", responses=problems(NotFound))
async def get_own_account(actor: CurrentStaff, session: Reading) -> StaffView:
    """Role, store or unit, and the path below which everything is within reach."""
    return await staff.get_staff(session, actor, actor.id)


@admin.put("/me/password", summary="Change your password", responses=problems(PasswordWrong))
async def change_password(
    body: PasswordUpdate,
    actor: CurrentStaff,
    _: Annotated[None, limit("stores.password", "5/minute")],
    runtime: RuntimeDep,
) -> AdminSessionView:
    """Ends all your logins; the reply is a new one."""
    return await flows.change_password(runtime, actor, body)


@admin.get("/stores/units", summary="List units")
async def list_units(actor: CurrentStaff, session: Reading, paging: PageQuery) -> Page[UnitView]:
    """Headquarters and regions within scope, oldest first. Store staff see none."""
    return await organisation.list_units(session, actor, paging)


@admin.post(
    "/stores/units",
    summary="Create a region",
    status_code=201,
    responses=problems(NotFound, OrganisationCodeTaken),
)
async def create_unit(actor: Headquarters, body: UnitCreate, session: Tx) -> UnitView:
    """Below headquarters or below another region. Its code and its place in the tree never change."""
    return await organisation.create_unit(session, actor, body)


@admin.get("/stores/units/{id}", summary="Get a unit", responses=problems(NotFound))
async def get_unit(id: UnitId, actor: CurrentStaff, session: Reading) -> UnitView:
    """Within scope."""
    return await organisation.get_unit(session, actor, id)


@admin.put("/stores/units/{id}", summary="Rename a unit", responses=problems(NotFound, VersionConflict))
async def update_unit(id: UnitId, actor: Headquarters, body: UnitUpdate, session: Tx) -> UnitView:
    """The name is all that can change: paths are frozen on orders."""
    return await organisation.update_unit(session, actor, id, body)


@admin.get("/stores/stores", summary="List stores in scope")
async def list_stores(actor: CurrentStaff, session: Reading, paging: PageQuery) -> Page[StoreView]:
    """Closed ones too, oldest first."""
    return await organisation.list_stores(session, actor, paging)


@admin.post(
    "/stores/stores",
    summary="Open a store",
    status_code=201,
    responses=problems(NotFound, OrganisationCodeTaken, LegalEntityNotGrantable),
)
async def create_store(actor: Regional, body: StoreCreate, session: Tx) -> StoreView:
    """In a unit within scope. Its stock place is opened with it: `plc_…` with the same characters as `sto_…`."""
    return await organisation.create_store(session, actor, body)


@admin.get("/stores/stores/{id}", summary="Get a store", responses=problems(NotFound))
async def get_store(id: StoreId, actor: CurrentStaff, session: Reading) -> StoreView:
    """Within scope."""
    return await organisation.get_store(session, actor, id)


@admin.put(
    "/stores/stores/{id}",
    summary="Change or close a store",
    responses=problems(NotFound, VersionConflict, LegalEntityNotGrantable),
)
async def update_store(id: StoreId, actor: Regional, body: StoreUpdate, session: Tx) -> StoreView:
    """Replaces everything but code and unit. `status: closed` hides it from customers; nothing is deleted."""
    return await organisation.update_store(session, actor, id, body)


@admin.get("/stores/staff", summary="List staff in scope")
async def list_staff(actor: Managers, session: Reading, paging: PageQuery) -> Page[StaffView]:
    """Those who left too, oldest first."""
    return await staff.list_staff(session, actor, paging)


@admin.post(
    "/stores/staff",
    summary="Add a staff member",
    status_code=201,
    responses=problems(RoleNotGrantable, AccountLinkNotGrantable, NotFound, LoginTaken, AccountLinked, PostMismatch),
)
async def add_staff(actor: Managers, body: StaffCreate, runtime: RuntimeDep) -> StaffView:
    """A manager adds guides to their own store, a region everyone up to regions within its path, headquarters everyone.
    Guides and managers can be credited for sales from now on."""
    return await flows.add_staff(runtime, actor, body)


@admin.get("/stores/staff/{id}", summary="Get a staff member", responses=problems(NotFound))
async def get_staff(id: StaffId, actor: Managers, session: Reading) -> StaffView:
    """Within scope."""
    return await staff.get_staff(session, actor, id)


@admin.put(
    "/stores/staff/{id}",
    summary="Change, move or dismiss a staff member",
    responses=problems(
        RoleNotGrantable, AccountLinkNotGrantable, NotFound, VersionConflict, AccountLinked, PostMismatch
    ),
)
async def update_staff(id: StaffId, actor: Managers, body: StaffUpdate, runtime: RuntimeDep) -> StaffView:
    """Replaces everything but the login. `status: left` ends every login at once and credits nothing new; another store
    or role takes effect with the next request. What was sold before stays credited where it was."""
    return await flows.update_staff(runtime, actor, id, body)


@admin.get("/stores/split-rules", summary="List versions of the performance split")
async def list_split_rules(actor: AnyStaff, session: Reading, paging: PageQuery) -> Page[SplitRuleView]:
    """Newest first. Without any, 70 % counts for the store and 30 % for the guide."""
    return await splits.list_rules(session, paging)


@admin.put("/stores/split-rules", summary="Add a version of the performance split")
async def add_split_rule(actor: Headquarters, body: SplitRulePut, session: Tx) -> SplitRuleView:
    """Counts for orders placed from now on; what was placed before keeps its version, its refunds too."""
    return await splits.set_rule(session, actor.id, body)


@admin.get(
    "/stores/performance",
    summary="Rank guides, stores or regions",
    responses=problems(RegionsOutOfReach, PeriodUnreadable, MeasureNotOfGuides),
)
async def rank_performance(
    actor: CurrentStaff,
    session: Reading,
    paging: PageQuery,
    by: By,
    period: Annotated[
        str,
        Query(
            max_length=20,
            description="`day:2026-11-21`, `week:2026-W47` (ISO) or `month:2026-11`, in China's days.",
            examples=["day:2026-11-21"],
        ),
    ],
    measure: Measure = Measure.CREDITED,
) -> PerformanceView:
    """By what the measure comes to, net of refunds, then by id, within scope. What a store is credited with is the whole
    sale, its guides' parts included; a region's row is the sum of the stores below it, regions inside it too; stores right
    below headquarters belong to no region. Regions are ranked for regions and headquarters only. A sale counts on the day
    it was paid, a refund on the day it was agreed; `orders` counts orders paid in the period."""
    return await ranking.rank(session, actor, paging, by=by, measure=measure, period=period)


@customer.get("/stores", summary="Find stores", responses=problems(NearUnreadable))
async def find_stores(
    actor: Visitor,
    session: Reading,
    paging: PageQuery,
    near: Annotated[
        str | None, Query(max_length=40, description="`latitude,longitude` in degrees.", examples=["30.2741,120.1551"])
    ] = None,
    city: Annotated[str | None, Plain, Query(max_length=32, examples=["杭州市"])] = None,
) -> Page[StoreCard]:
    """Open stores: with `near` by distance, else oldest first."""
    return await storefront.find_stores(session, paging, near=near, city=city)


@customer.get("/me/store", summary="Get your chosen store")
async def get_chosen_store(actor: CurrentCustomer, session: Reading) -> ChosenStoreView:
    """`store` is null when you chose none, or when it is not open any more."""
    return await storefront.chosen_store(session, actor.id)


@customer.put("/me/store", summary="Choose your store", responses=problems(NotFound))
async def choose_store(actor: CurrentCustomer, body: ChosenStoreUpdate, session: Tx) -> StoreCard:
    """The store that the shop shows from now on. It is a view: whom your orders are credited to does not change."""
    return await storefront.choose_store(session, actor.id, body.store)
