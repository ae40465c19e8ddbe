"""Logins and phone numbers: what asks WeChat in the middle, and what must commit before it refuses."""

from uuid import UUID

from app.core import auth
from app.core.auth import Kind, RefreshReused, TokenPair
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.customers import people
from app.customers.errors import AppidUnknown
from app.customers.schemas import CustomerView, PhoneView, SessionCreate, SessionView
from app.wechat import MiniProgram


async def log_in(runtime: Runtime, body: SessionCreate) -> SessionView:
    """The login of whoever made the code with `wx.login`; a person never seen before becomes a customer.

    Raises AppidUnknown, CodeRefused, WechatRefused, UpstreamFailed, RateLimited.
    """
    appid = _served(runtime.settings, body.appid)
    seen = await runtime.client(MiniProgram).session(body.code)
    async with runtime.db.transaction() as session:
        customer_id = await people.recognise(session, appid=appid, openid=seen.openid, unionid=seen.unionid)
        pair = await auth.open_family(session, runtime.settings, kind=Kind.CUSTOMER, subject_id=customer_id)
        customer = await people.get_customer(session, runtime.settings, customer_id)
    return _view(pair, customer)


def _served(settings: Settings, appid: str | None) -> str:
    """The mini-program that a login comes from. Raises AppidUnknown."""
    if appid is not None and appid != settings.wechat_appid:
        raise AppidUnknown(appid=appid)
    return settings.wechat_appid


async def refresh_session(runtime: Runtime, refresh_token: str) -> SessionView:
    """A new pair for a refresh token, which is spent by it. Raises Unauthenticated, RefreshReused.

    In one transaction: a token whose reply could not be made is not spent.
    """
    async with runtime.db.transaction() as session:
        refreshed = await auth.refresh(session, runtime.settings, refresh_token)
        customer = None
        if refreshed is not None and refreshed[0].kind is Kind.CUSTOMER:
            customer = await people.get_customer(session, runtime.settings, refreshed[0].id)
    if refreshed is None:
        raise RefreshReused
    return _view(refreshed[1], customer)


def _view(pair: TokenPair, customer: CustomerView | None) -> SessionView:
    return SessionView(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in,
        customer=customer,
    )


async def give_phone(runtime: Runtime, customer_id: UUID, code: str) -> PhoneView:
    """Ask WeChat for the number behind the code and keep it sealed.

    Raises CodeRefused, WechatRefused, UpstreamFailed, RateLimited, NotFound.
    """
    phone = await runtime.client(MiniProgram).phone_number(code)
    async with runtime.db.transaction() as session:
        return PhoneView(phone=await people.keep_phone(session, runtime.settings, customer_id, phone))
