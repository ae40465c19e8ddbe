"""What customers call: login, oneself, the address book."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.core import auth
from app.core.auth import CurrentCustomer, CurrentLogin, RefreshReused, public
from app.core.errors import (
    Forbidden,
    NotFound,
    RateLimited,
    Unauthenticated,
    UpstreamFailed,
    ValidationFailed,
    VersionConflict,
)
from app.core.http import Db, Page, PageQuery, RuntimeDep, Tx, door, limit, problems
from app.core.ids import AddressId
from app.customers import addresses, flows, people
from app.customers.errors import AddressesFull
from app.customers.schemas import (
    AddressCreate,
    AddressPut,
    AddressView,
    CustomerView,
    MePut,
    PhoneCreate,
    PhoneView,
    SessionCreate,
    SessionRefresh,
    SessionView,
)
from app.wechat import CodeRefused, MiniProgram, WechatRefused

router = APIRouter(prefix="/v1", tags=["customers"])
routers = [router]

Wechat = Annotated[MiniProgram, Depends(door(MiniProgram))]


@router.post(
    "/session",
    summary="Log in with a code of wx.login",
    dependencies=[public, limit("customers.log_in", "120/minute")],
    responses=problems(CodeRefused, RateLimited, UpstreamFailed, WechatRefused, ValidationFailed),
)
async def log_in(body: SessionCreate, database: Db, runtime: RuntimeDep, wechat: Wechat) -> SessionView:
    """Call `wx.login`, send its `code`, keep both tokens. A code works once, within five minutes.

    The first login makes the customer; the same person in another mini-program of the brand is the same customer.
    """
    return await flows.log_in(database, runtime.settings, wechat, body.code)


@router.post(
    "/session/refresh",
    summary="Exchange the refresh token for a new pair",
    dependencies=[public, limit("customers.refresh", "120/minute")],
    responses=problems(Unauthenticated, RefreshReused, RateLimited, ValidationFailed),
)
async def refresh(body: SessionRefresh, database: Db, runtime: RuntimeDep) -> SessionView:
    """Customers and staff alike. The refresh token rotates: keep the new one. Sending an old one again ends the whole
    login (`refresh_reused`), because two parties then hold the same token. After a lost reply, log in again."""
    return await flows.refresh(database, runtime.settings, body.refresh_token)


@router.delete("/session", summary="Log out", status_code=204, responses=problems(Unauthenticated))
async def log_out(actor: CurrentLogin, session: Tx) -> None:
    """Ends this login, of a customer or of staff: its refresh token is dead at once, and so is a staff member's access
    token; a customer's access token runs out within 30 minutes."""
    await auth.revoke_family(session, actor.family)


@router.get("/me", summary="Oneself", responses=problems(Unauthenticated, Forbidden, NotFound))
async def me(actor: CurrentCustomer, session: Tx, runtime: RuntimeDep) -> CustomerView:
    """Nickname, picture and the masked phone number."""
    return await people.view(session, runtime.settings, actor.id)


@router.put(
    "/me",
    summary="Change nickname and picture",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def put_me(actor: CurrentCustomer, body: MePut, session: Tx, runtime: RuntimeDep) -> CustomerView:
    """Replaces both; a picture that is left out is removed. Others see the nickname masked ("L**")."""
    await people.rename(session, actor.id, body)
    return await people.view(session, runtime.settings, actor.id)


@router.post(
    "/me/phone",
    summary="Give one's phone number",
    responses=problems(
        Unauthenticated, Forbidden, NotFound, CodeRefused, RateLimited, UpstreamFailed, WechatRefused, ValidationFailed
    ),
)
async def give_phone(
    actor: CurrentCustomer,
    body: PhoneCreate,
    database: Db,
    runtime: RuntimeDep,
    wechat: Wechat,
    _: Annotated[None, limit("customers.phone", "10/minute")],
) -> PhoneView:
    """Send the `code` of the `getPhoneNumber` button. The number is kept sealed and only ever shown masked."""
    return await flows.give_phone(database, runtime.settings, wechat, actor.id, body.code)


@router.get(
    "/me/addresses", summary="The address book", responses=problems(Unauthenticated, Forbidden, ValidationFailed)
)
async def list_addresses(
    actor: CurrentCustomer, session: Tx, runtime: RuntimeDep, paging: PageQuery
) -> Page[AddressView]:
    """Newest first; at most 20 are kept, so one page of the default size holds all."""
    return await addresses.of_customer(session, runtime.settings, actor.id, paging)


@router.post(
    "/me/addresses",
    summary="Add an address",
    status_code=201,
    responses=problems(Unauthenticated, Forbidden, NotFound, AddressesFull, ValidationFailed),
)
async def add_address(actor: CurrentCustomer, body: AddressCreate, session: Tx, runtime: RuntimeDep) -> AddressView:
    """At most 20 are kept; one more is `addresses_full`."""
    address_id = await addresses.add(session, runtime.settings, actor.id, body)
    return await addresses.get(session, runtime.settings, actor.id, address_id)


@router.get(
    "/me/addresses/{address_id}",
    summary="One address",
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def get_address(actor: CurrentCustomer, address_id: AddressId, session: Tx, runtime: RuntimeDep) -> AddressView:
    """One's own address, in full."""
    return await addresses.get(session, runtime.settings, actor.id, address_id)


@router.put(
    "/me/addresses/{address_id}",
    summary="Change an address",
    responses=problems(Unauthenticated, Forbidden, NotFound, VersionConflict, ValidationFailed),
)
async def change_address(
    actor: CurrentCustomer, address_id: AddressId, body: AddressPut, session: Tx, runtime: RuntimeDep
) -> AddressView:
    """Replaces it whole. Orders placed before keep the address they were placed with."""
    await addresses.change(session, runtime.settings, actor.id, address_id, body)
    return await addresses.get(session, runtime.settings, actor.id, address_id)


@router.delete(
    "/me/addresses/{address_id}",
    summary="Delete an address",
    status_code=204,
    responses=problems(Unauthenticated, Forbidden, NotFound, ValidationFailed),
)
async def remove_address(actor: CurrentCustomer, address_id: AddressId, session: Tx) -> None:
    """Gone for good; orders placed before keep their own copy."""
    await addresses.remove(session, actor.id, address_id)
