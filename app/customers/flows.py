"""Logins and phone numbers: what asks WeChat in the middle, and what must commit before it refuses."""

from uuid import UUID

from app.core import auth
from app.core.auth import Kind, RefreshReused
from app.core.db import Database
from app.core.settings import Settings
from app.customers import people
from app.customers.schemas import PhoneView, SessionView
from app.wechat import MiniProgram


async def log_in(database: Database, settings: Settings, mini_program: MiniProgram, code: str) -> SessionView:
    """Who the code of `wx.login` belongs to, as a login of ours; a person never seen becomes a customer.

    Raises CodeRefused, UpstreamFailed, RateLimited.
    """
    seen = await mini_program.session(code)
    async with database.transaction() as session:
        customer_id = await people.recognise(
            session, appid=settings.wechat_appid, openid=seen.openid, unionid=seen.unionid
        )
        pair = await auth.open_family(session, settings, kind=Kind.CUSTOMER, subject_id=customer_id)
        customer = await people.view(session, settings, customer_id)
    return SessionView(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in,
        customer=customer,
    )


async def refresh(database: Database, settings: Settings, refresh_token: str) -> SessionView:
    """A new pair for a refresh token, which is spent by it. Raises Unauthenticated, RefreshReused.

    In one transaction: a token whose reply could not be made is not spent.
    """
    async with database.transaction() as session:
        refreshed = await auth.refresh(session, settings, refresh_token)
        customer = None
        if refreshed is not None and refreshed[0].kind is Kind.CUSTOMER:
            customer = await people.view(session, settings, refreshed[0].id)
    if refreshed is None:
        raise RefreshReused
    _, pair = refreshed
    return SessionView(
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_in=pair.expires_in,
        customer=customer,
    )


async def give_phone(
    database: Database, settings: Settings, mini_program: MiniProgram, customer_id: UUID, code: str
) -> PhoneView:
    """Ask WeChat for the number behind the code and keep it sealed. Raises CodeRefused, UpstreamFailed, NotFound."""
    phone = await mini_program.phone_number(code)
    async with database.transaction() as session:
        return PhoneView(phone=await people.keep_phone(session, settings, customer_id, phone))
