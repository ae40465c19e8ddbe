"""People: recognised by what WeChat calls them, read and renamed."""

from collections.abc import Collection
from uuid import UUID

from app.core import db
from app.core.db import AsyncSession
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.sealed import blind_index, seal, unseal
from app.core.settings import Settings
from app.customers.rules import mask, mask_phone
from app.customers.schemas import CustomerView, MePut

DEFAULT_NICKNAME = "微信用户"


async def recognise(session: AsyncSession, *, appid: str, openid: str, unionid: str | None = None) -> UUID:
    """The customer behind an openid, else behind the unionid, else a new one. Safe against itself at once.

    An openid that is already known keeps its customer even if its unionid belongs to another one.
    """
    known = await _find(session, "openid", appid, openid)
    if known is not None:
        if unionid:
            await _claim(session, "unionid", "", unionid, known)
        return known
    fresh = new_id()
    claimed = await _claim(session, "unionid", "", unionid, fresh) if unionid else fresh
    customer_id = await _claim(session, "openid", appid, openid, claimed)
    if customer_id == fresh:
        await db.execute(
            session, "INSERT INTO customers_customer (id, nickname) VALUES ($1, $2)", fresh, DEFAULT_NICKNAME
        )
    elif claimed == fresh:
        # Another login took the openid between our look and our claim: the person is theirs, and so is the unionid.
        await db.execute(
            session, "UPDATE customers_identity SET customer_id = $2 WHERE customer_id = $1", fresh, customer_id
        )
    return customer_id


async def _find(session: AsyncSession, kind: str, appid: str, value: str) -> UUID | None:
    found: UUID | None = await db.fetchval(
        session,
        "SELECT customer_id FROM customers_identity WHERE kind = $1 AND appid = $2 AND value = $3",
        kind,
        appid,
        value,
    )
    return found


async def _claim(session: AsyncSession, kind: str, appid: str, value: str, customer_id: UUID) -> UUID:
    """Write the identity down unless somebody has it; whose it is. Waits for a claim that is not committed yet."""
    written = await db.execute(
        session,
        """INSERT INTO customers_identity (kind, appid, value, customer_id) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING""",
        kind,
        appid,
        value,
        customer_id,
    )
    if written:
        return customer_id
    owner = await _find(session, kind, appid, value)
    assert owner is not None, "identities are never deleted"
    return owner


async def hold(session: AsyncSession, customer_id: UUID) -> None:
    """Lock the customer's row, so that what one customer does at once is done one after the other. Raises NotFound."""
    if not await db.fetchval(
        session, "SELECT true FROM customers_customer WHERE id = $1 FOR NO KEY UPDATE", customer_id
    ):
        raise NotFound


async def view(session: AsyncSession, settings: Settings, customer_id: UUID) -> CustomerView:
    """A customer as it sees itself. Raises NotFound."""
    row = await db.fetchrow(
        session,
        "SELECT id, nickname, avatar_url, phone_cipher, made_at FROM customers_customer WHERE id = $1",
        customer_id,
    )
    if row is None:
        raise NotFound
    cipher = row["phone_cipher"]
    return CustomerView(
        id=row["id"],
        nickname=row["nickname"],
        avatar_url=row["avatar_url"],
        phone=None if cipher is None else mask_phone(unseal(settings, cipher)),
        made_at=row["made_at"],
    )


async def rename(session: AsyncSession, customer_id: UUID, body: MePut) -> None:
    """Take over nickname and picture. Raises NotFound."""
    changed = await db.execute(
        session,
        "UPDATE customers_customer SET nickname = $2, avatar_url = $3 WHERE id = $1",
        customer_id,
        body.nickname,
        body.avatar_url,
    )
    if not changed:
        raise NotFound


async def keep_phone(session: AsyncSession, settings: Settings, customer_id: UUID, phone: str) -> str:
    """Seal the number that WeChat vouches for; answers it masked. Raises NotFound."""
    changed = await db.execute(
        session,
        "UPDATE customers_customer SET phone_cipher = $2, phone_index = $3 WHERE id = $1",
        customer_id,
        seal(settings, phone),
        blind_index(settings, phone),
    )
    if not changed:
        raise NotFound
    return mask_phone(phone)


async def openid_of(session: AsyncSession, customer_id: UUID, appid: str) -> str:
    """What the mini-program `appid` calls this customer: who pays there. Raises NotFound."""
    openid: str | None = await db.fetchval(
        session,
        """SELECT value FROM customers_identity WHERE customer_id = $1 AND kind = 'openid' AND appid = $2
           ORDER BY made_at LIMIT 1""",
        customer_id,
        appid,
    )
    if openid is None:
        raise NotFound
    return openid


async def nickname(session: AsyncSession, customer_id: UUID) -> str:
    """How a customer calls itself. Raises NotFound."""
    name: str | None = await db.fetchval(session, "SELECT nickname FROM customers_customer WHERE id = $1", customer_id)
    if name is None:
        raise NotFound
    return name


async def masked_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, str]:
    """How others may see these customers ("L**"); an unknown id is left out."""
    rows = await db.fetch(session, "SELECT id, nickname FROM customers_customer WHERE id = ANY($1)", list(set(ids)))
    return {row["id"]: mask(row["nickname"]) for row in rows}
