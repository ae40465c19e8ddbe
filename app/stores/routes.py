"""What staff call for the organisation and its performance, and what customers call for stores."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from limits import parse

from app.core.auth import Actor, CurrentCustomer, CurrentStaff, headquarters, managers, public, regional
from app.core.errors import Forbidden, NotFound, RateLimited, Unauthenticated, ValidationFailed, VersionConflict
from app.core.http import Db, Page, PageQuery, Plain, RuntimeDep, Tx, limit, problems, spend
from app.core.http.pages import CursorInvalid
from app.core.ids import StaffId, StoreId, UnitId
from app.stores import flows, organisation, performance, splits, staff
from app.stores.errors import (
    AccountLinked,
    AccountLinkNotGrantable,
    LoginFailed,
    LoginTaken,
    NearUnreadable,
    OrganisationCodeTaken,
    PeriodUnreadable,
    PostMismatch,
    RegionsOutOfReach,
    RoleNotGrantable,
)
from app.stores.rules import near_point
from app.stores.schemas import (
    AdminSessionCreate,
    AdminSessionView,
    By,
    MyStorePut,
    MyStoreView,
    PerformanceView,
    SplitRulePut,
    SplitRuleView,
    StaffCreate,
    StaffPut,
    StaffView,
    StoreCard,
    StoreCreate,
    StorePut,
    StoreView,
    UnitCreate,
    UnitPut,
    UnitView,
)

router = APIRouter(prefix="/v1", tags=["stores"])
routers = [router]

Manager = Annotated[Actor, Depends(managers)]
Regional = Annotated[Actor, Depends(regional)]
Headquarters = Annotated[Actor, Depends(headquarters)]


_TRIES = parse("30/10minutes")


async def _spare_the_login(request: Request, body: AdminSessionCreate) -> None:
    """Passwords of one login are not tried without end, from however many addresses."""
    await spend(request, _TRIES, "stores.log_in_as", body.login.casefold())


@router.post(
    "/admin/session",
    summary="Log staff in",
    dependencies=[public, limit("stores.log_in", "10/minute"), Depends(_spare_the_login)],
    responses=problems(LoginFailed, RateLimited, ValidationFailed),
)
async def log_in(body: AdminSessionCreate, database: Db, runtime: RuntimeDep) -> AdminSessionView:
    """Refresh at `POST /v1/session/refresh`, log out with `DELETE /v1/session`. The first login of a new installation
    is made with `siyu staff create`. A wrong password and an unknown login answer alike."""
    return await flows.log_in(database, runtime.settings, body)


@router.get(
    "/admin/me", summary="The staff member that is logged in", responses=problems(Unauthenticated, Forbidden, NotFound)
)
async def me(actor: CurrentStaff, session: Tx) -> StaffView:
    """Role, store or unit, and the path below which everything is within reach."""
    return await staff.get(session, actor, actor.id)


@router.get(
    "/admin/stores/units",
    summary="Units within scope",
    responses=problems(Unauthenticated, Forbidden, CursorInvalid, ValidationFailed),
)
async def list_units(actor: CurrentStaff, session: Tx, paging: PageQuery) -> Page[UnitView]:
    """Headquarters and regions, oldest first. Store staff see none."""
    return await organisation.list_units(session, actor, paging)


@router.post(
    "/admin/stores/units",
    summary="Make a region",
    status_code=201,
    responses=problems(Unauthenticated, Forbidden, NotFound, OrganisationCodeTaken, ValidationFailed),
)
async def add_unit(actor: Headquarters, body: UnitCreate, session: Tx) -> UnitView:
    """Below headquarters or below another region. Code and place in the tree stay for ever."""
    unit_id = await organisation.add_unit(session, actor, body)
    return await organisation.get_unit(session, actor, unit_id)


@router.get(
    "/admin/stores/units/{unit_id}",
    summary="One unit",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def get_unit(actor: CurrentStaff, unit_id: UnitId, session: Tx) -> UnitView:
    """A unit within scope."""
    return await organisation.get_unit(session, actor, unit_id)


@router.put(
    "/admin/stores/units/{unit_id}",
    summary="Rename a unit",
    responses=problems(Unauthenticated, Forbidden, NotFound, VersionConflict, ValidationFailed),
)
async def change_unit(actor: Headquarters, unit_id: UnitId, body: UnitPut, session: Tx) -> UnitView:
    """The name is all that can change: paths are frozen on orders."""
    await organisation.change_unit(session, actor, unit_id, body)
    return await organisation.get_unit(session, actor, unit_id)


@router.get(
    "/admin/stores/stores",
    summary="Stores within scope",
    responses=problems(Unauthenticated, Forbidden, CursorInvalid, ValidationFailed),
)
async def list_stores(actor: CurrentStaff, session: Tx, paging: PageQuery) -> Page[StoreView]:
    """Closed ones too, oldest first."""
    return await organisation.list_stores(session, actor, paging)


@router.post(
    "/admin/stores/stores",
    summary="Open a store",
    status_code=201,
    responses=problems(Unauthenticated, Forbidden, NotFound, OrganisationCodeTaken, ValidationFailed),
)
async def add_store(actor: Regional, body: StoreCreate, session: Tx) -> StoreView:
    """In a unit within scope. Its stock place is opened with it: `plc_…` with the same characters as `sto_…`."""
    store_id = await organisation.add_store(session, actor, body)
    return await organisation.get_store(session, actor, store_id)


@router.get(
    "/admin/stores/stores/{store_id}",
    summary="One store",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def get_store(actor: CurrentStaff, store_id: StoreId, session: Tx) -> StoreView:
    """A store within scope."""
    return await organisation.get_store(session, actor, store_id)


@router.put(
    "/admin/stores/stores/{store_id}",
    summary="Change or close a store",
    responses=problems(Unauthenticated, Forbidden, NotFound, VersionConflict, ValidationFailed),
)
async def change_store(actor: Regional, store_id: StoreId, body: StorePut, session: Tx) -> StoreView:
    """Replaces everything but code and unit. `status: closed` hides it from customers; nothing is deleted."""
    await organisation.change_store(session, actor, store_id, body)
    return await organisation.get_store(session, actor, store_id)


@router.get(
    "/admin/stores/staff",
    summary="Staff within scope",
    responses=problems(Unauthenticated, Forbidden, CursorInvalid, ValidationFailed),
)
async def list_staff(actor: Manager, session: Tx, paging: PageQuery) -> Page[StaffView]:
    """Those who left too, oldest first."""
    return await staff.list_staff(session, actor, paging)


@router.post(
    "/admin/stores/staff",
    summary="Add somebody",
    status_code=201,
    responses=problems(
        Unauthenticated,
        Forbidden,
        RoleNotGrantable,
        AccountLinkNotGrantable,
        NotFound,
        LoginTaken,
        AccountLinked,
        PostMismatch,
        ValidationFailed,
    ),
)
async def add_staff(actor: Manager, body: StaffCreate, database: Db) -> StaffView:
    """A manager adds guides to the own store, a region everyone up to regions within its path, headquarters everyone.
    Guides and managers can be credited for sales from now on."""
    return await flows.add_staff(database, actor, body)


@router.get(
    "/admin/stores/staff/{staff_id}",
    summary="One person",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def get_staff(actor: Manager, staff_id: StaffId, session: Tx) -> StaffView:
    """Somebody within scope."""
    return await staff.get(session, actor, staff_id)


@router.put(
    "/admin/stores/staff/{staff_id}",
    summary="Change, move or dismiss somebody",
    responses=problems(
        Unauthenticated,
        Forbidden,
        RoleNotGrantable,
        AccountLinkNotGrantable,
        NotFound,
        VersionConflict,
        AccountLinked,
        PostMismatch,
        ValidationFailed,
    ),
)
async def change_staff(actor: Manager, staff_id: StaffId, body: StaffPut, database: Db) -> StaffView:
    """Replaces everything but the login. `status: left` ends every login at once and credits nothing new; another store
    or role takes effect with the next request. What was sold before stays credited where it was."""
    return await flows.change_staff(database, actor, staff_id, body)


@router.get(
    "/admin/stores/split-rules",
    summary="Versions of the split",
    responses=problems(Unauthenticated, Forbidden, CursorInvalid, ValidationFailed),
)
async def list_split_rules(actor: CurrentStaff, session: Tx, paging: PageQuery) -> Page[SplitRuleView]:
    """Newest first. Without any, 70 % counts for the store and 30 % for the guide."""
    return await splits.list_rules(session, paging)


@router.put(
    "/admin/stores/split-rules",
    summary="A new version of the split",
    responses=problems(Unauthenticated, Forbidden, ValidationFailed),
)
async def put_split_rule(actor: Headquarters, body: SplitRulePut, session: Tx) -> SplitRuleView:
    """Counts for orders placed from now on; what was placed before keeps its version, its refunds too."""
    return await splits.add_rule(session, actor.id, body)


@router.get(
    "/admin/stores/performance",
    summary="Who sold how much",
    responses=problems(
        Unauthenticated, Forbidden, RegionsOutOfReach, PeriodUnreadable, CursorInvalid, ValidationFailed
    ),
)
async def get_performance(
    actor: CurrentStaff,
    session: Tx,
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
) -> PerformanceView:
    """Ranked by `net_fen`, then by id, within scope. A guide's and a store's rows hold their own parts of the split; a
    region's row holds everything sold below it, regions inside it too; stores right below headquarters belong to no region.
    Regions are ranked for regions and headquarters only. A sale counts on the day it was paid, a refund on the day it was
    agreed; `orders` counts orders paid in the period."""
    return await performance.ranking(session, actor, by=by, period=period, paging=paging)


@router.get(
    "/stores",
    summary="Find a store",
    responses=problems(Unauthenticated, Forbidden, NearUnreadable, CursorInvalid, ValidationFailed),
)
async def find_stores(
    actor: CurrentCustomer,
    session: Tx,
    paging: PageQuery,
    near: Annotated[
        str | None, Query(max_length=40, description="`latitude,longitude` in degrees.", examples=["30.2741,120.1551"])
    ] = None,
    city: Annotated[str | None, Plain, Query(max_length=32, examples=["杭州市"])] = None,
) -> Page[StoreCard]:
    """Open stores. With `near` the nearest `limit` ones by distance, without further pages; else oldest first."""
    if near is not None:
        return await organisation.nearest_stores(session, near_point(near), city, paging.limit)
    return await organisation.open_stores(session, city, paging)


@router.get("/me/store", summary="One's chosen store", responses=problems(Unauthenticated, Forbidden))
async def my_store(actor: CurrentCustomer, session: Tx) -> MyStoreView:
    """`store` is null when none was chosen, or when it is not open any more."""
    return await organisation.own_store(session, actor.id)


@router.put(
    "/me/store",
    summary="Choose one's store",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def choose_store(actor: CurrentCustomer, body: MyStorePut, session: Tx) -> StoreCard:
    """One's sales count for this store when neither a guide nor a live room brings another. The last choice counts."""
    return await organisation.choose_store(session, actor.id, body.store)
