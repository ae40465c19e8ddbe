"""Customers over HTTP: login, profile and address book."""

from typing import Annotated

from fastapi import APIRouter

from app.core import auth
from app.core.auth import CurrentCustomer, CurrentLogin, RefreshReused, public
from app.core.errors import NotFound, Unauthenticated, UpstreamFailed, VersionConflict
from app.core.http import Page, PageQuery, Reading, RuntimeDep, Tx, limit, problems
from app.core.ids import AddressId
from app.customers import addresses, flows, people
from app.customers.errors import AddressesFull, AppidUnknown
from app.customers.schemas import (
    AddressCreate,
    AddressUpdate,
    AddressView,
    CustomerView,
    PhoneCreate,
    PhoneView,
    ProfileUpdate,
    SessionCreate,
    SessionRefresh,
    SessionView,
)
from app.wechat import CodeRefused, WechatRefused

router = APIRouter(prefix="/v1", tags=["customers"])
routers = [router]


@router.post(
    "/session",
    summary="Log in with a code of wx.login",
    dependencies=[public, limit("customers.log_in", "120/minute")],
    responses=problems(AppidUnknown, CodeRefused, UpstreamFailed, WechatRefused),
)
async def log_in(body: SessionCreate, runtime: RuntimeDep) -> SessionView:
    """Call `wx.login`, send its `code`, keep both tokens. A code works once, within five minutes; after
    `upstream_failed` get a fresh one, for WeChat may have spent it.

    The first login makes the customer; the same person in another mini-program of the brand is the same customer.
    """
    return await flows.log_in(runtime, body)


@router.post(
    "/session/refresh",
    summary="Refresh a login",
    dependencies=[public, limit("customers.refresh", "120/minute")],
    responses=problems(Unauthenticated, RefreshReused),
)
async def refresh_session(body: SessionRefresh, runtime: RuntimeDep) -> SessionView:
    """For customers and staff. The refresh token rotates: keep the new one. Sending an old one again ends the whole
    login (`refresh_reused`), because two parties then hold the same token: no refresh token of it works any more, a
    staff member's access token ends at once, a customer's within 30 minutes. After a lost reply, log in again."""
    return await flows.refresh_session(runtime, body.refresh_token)


@router.delete("/session", summary="Log out", status_code=204)
async def log_out(actor: CurrentLogin, session: Tx) -> None:
    """Ends this login, of a customer or of staff. Its refresh token is dead at once, and so is a staff member's access
    token; a customer's access token runs out within 30 minutes."""
    await auth.revoke_family(session, actor.family)


@router.get("/me", summary="Get your profile", responses=problems(NotFound))
async def get_profile(actor: CurrentCustomer, session: Reading, runtime: RuntimeDep) -> CustomerView:
    """Nickname, picture and the masked phone number."""
    return await people.get_customer(session, runtime.settings, actor.id)


@router.put("/me", summary="Change nickname and picture", responses=problems(NotFound))
async def update_profile(actor: CurrentCustomer, body: ProfileUpdate, session: Tx, runtime: RuntimeDep) -> CustomerView:
    """Replaces both; a picture that is left out is removed. Others see the nickname masked ("L**")."""
    return await people.rename(session, runtime.settings, actor.id, body)


@router.post(
    "/me/phone",
    summary="Give your phone number",
    responses=problems(NotFound, CodeRefused, UpstreamFailed, WechatRefused),
)
async def give_phone(
    actor: CurrentCustomer,
    body: PhoneCreate,
    runtime: RuntimeDep,
    _: Annotated[None, limit("customers.phone", "10/minute")],
) -> PhoneView:
    """Send the `code` of the `getPhoneNumber` button; it works once, so after `upstream_failed` get a fresh one. The
    number is kept sealed and only ever shown masked."""
    return await flows.give_phone(runtime, actor.id, body.code)


@router.get("/me/addresses", summary="List your addresses")
async def list_addresses(
    actor: CurrentCustomer, session: Reading, runtime: RuntimeDep, paging: PageQuery
) -> Page[AddressView]:
    """Newest first; at most 20 are kept, so one page of the default size holds all."""
    return await addresses.list_addresses(session, runtime.settings, actor.id, paging)


@router.post("/me/addresses", summary="Add an address", status_code=201, responses=problems(NotFound, AddressesFull))
async def create_address(actor: CurrentCustomer, body: AddressCreate, session: Tx, runtime: RuntimeDep) -> AddressView:
    """At most 20 are kept; one more is `addresses_full`."""
    return await addresses.create_address(session, runtime.settings, actor.id, body)


@router.get("/me/addresses/{id}", summary="Get an address", responses=problems(NotFound))
async def get_address(id: AddressId, actor: CurrentCustomer, session: Reading, runtime: RuntimeDep) -> AddressView:
    """In full: it is yours."""
    return await addresses.get_address(session, runtime.settings, actor.id, id)


@router.put("/me/addresses/{id}", summary="Change an address", responses=problems(NotFound, VersionConflict))
async def update_address(
    id: AddressId, actor: CurrentCustomer, body: AddressUpdate, session: Tx, runtime: RuntimeDep
) -> AddressView:
    """Replaces the whole address."""
    return await addresses.update_address(session, runtime.settings, actor.id, id, body)


@router.delete("/me/addresses/{id}", summary="Delete an address", status_code=204, responses=problems(NotFound))
async def delete_address(id: AddressId, actor: CurrentCustomer, session: Tx) -> None:
    """Deletes it permanently."""
    await addresses.delete_address(session, actor.id, id)
