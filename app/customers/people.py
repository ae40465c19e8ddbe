"""People: recognised by what WeChat calls them, read and renamed."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.db import Session, Statement
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.sealed import blind_index, seal, unseal
from app.core.settings import Settings
from app.customers.errors import OpenidMissing
from app.customers.rules import mask, mask_phone
from app.customers.schemas import CustomerView, IdentityKind, ProfileUpdate

DEFAULT_NICKNAME = "微信用户"


class _Customer(msgspec.Struct, frozen=True):
    id: UUID
    nickname: str
    avatar_url: str | None
    phone_cipher: bytes | None
    created_at: datetime


class _Named(msgspec.Struct, frozen=True):
    id: UUID
    nickname: str


_COLUMNS = ", ".join(_Customer.__struct_fields__)
_ADD = Statement("INSERT INTO customers_customer (id, nickname) VALUES (:customer_id, :nickname)")
_FIND = Statement(
    "SELECT customer_id FROM customers_identity WHERE kind = :kind AND appid = :appid AND value = :value", UUID
)
_CLAIM = Statement(
    """INSERT INTO customers_identity (kind, appid, value, customer_id) VALUES (:kind, :appid, :value, :customer_id)
       ON CONFLICT DO NOTHING"""
)
_GIVE_IDENTITIES = Statement("UPDATE customers_identity SET customer_id = :owner WHERE customer_id = :customer_id")
_LOCK = Statement("SELECT id FROM customers_customer WHERE id = :customer_id FOR NO KEY UPDATE", UUID)
_GET = Statement(f"SELECT {_COLUMNS} FROM customers_customer WHERE id = :customer_id", _Customer)
_RENAME = Statement(
    f"""UPDATE customers_customer SET nickname = :nickname, avatar_url = :avatar_url
        WHERE id = :customer_id RETURNING {_COLUMNS}""",
    _Customer,
)
_KEEP_PHONE = Statement(
    "UPDATE customers_customer SET phone_cipher = :cipher, phone_index = :index WHERE id = :customer_id"
)
_OPENID = Statement(
    """SELECT value FROM customers_identity WHERE customer_id = :customer_id AND kind = 'openid' AND appid = :appid
       ORDER BY created_at LIMIT 1""",
    str,
)
_NAMES = Statement("SELECT id, nickname FROM customers_customer WHERE id = ANY(:ids)", _Named)


async def recognise(session: Session, *, appid: str, openid: str, unionid: str | None = None) -> UUID:
    """The customer behind an openid, else behind the unionid, else a new one. Several at once find the same one.

    An openid that is already known keeps its customer even if its unionid belongs to another one.
    """
    known = await _FIND.first(session, kind=IdentityKind.OPENID, appid=appid, value=openid)
    if known is not None:
        if unionid:
            await _claim(session, IdentityKind.UNIONID, "", unionid, known)
        return known
    fresh = new_id()
    claimed = await _claim(session, IdentityKind.UNIONID, "", unionid, fresh) if unionid else fresh
    customer_id = await _claim(session, IdentityKind.OPENID, appid, openid, claimed)
    if customer_id == fresh:
        await _ADD.run(session, customer_id=fresh, nickname=DEFAULT_NICKNAME)
    elif claimed == fresh:
        # Another login took the openid between our look and our claim: the person is theirs, and so is the unionid.
        await _GIVE_IDENTITIES.run(session, customer_id=fresh, owner=customer_id)
    return customer_id


async def _claim(session: Session, kind: IdentityKind, appid: str, value: str, customer_id: UUID) -> UUID:
    """Write the identity down unless somebody has it; whose it is. Waits for a claim that is not committed yet."""
    if await _CLAIM.run(session, kind=kind, appid=appid, value=value, customer_id=customer_id):
        return customer_id
    return await _FIND.one(session, kind=kind, appid=appid, value=value)


async def lock(session: Session, customer_id: UUID) -> None:
    """Lock the customer's row, so that what one customer does at once is done one after the other. Raises NotFound."""
    if await _LOCK.first(session, customer_id=customer_id) is None:
        raise NotFound


async def get_customer(session: Session, settings: Settings, customer_id: UUID) -> CustomerView:
    """A customer as they see themselves. Raises NotFound."""
    row = await _GET.first(session, customer_id=customer_id)
    if row is None:
        raise NotFound
    return _view(settings, row)


def _view(settings: Settings, row: _Customer) -> CustomerView:
    return CustomerView(
        id=row.id,
        nickname=row.nickname,
        avatar_url=row.avatar_url,
        phone=None if row.phone_cipher is None else mask_phone(unseal(settings, row.phone_cipher)),
        created_at=row.created_at,
    )


async def rename(session: Session, settings: Settings, customer_id: UUID, body: ProfileUpdate) -> CustomerView:
    """Take over nickname and picture. Raises NotFound."""
    row = await _RENAME.first(session, customer_id=customer_id, nickname=body.nickname, avatar_url=body.avatar_url)
    if row is None:
        raise NotFound
    return _view(settings, row)


async def keep_phone(session: Session, settings: Settings, customer_id: UUID, phone: str) -> str:
    """Seal the number that WeChat vouches for; answers it masked. Raises NotFound."""
    cipher, index = seal(settings, phone), blind_index(settings, phone)
    if not await _KEEP_PHONE.run(session, customer_id=customer_id, cipher=cipher, index=index):
        raise NotFound
    return mask_phone(phone)


async def openid_of(session: Session, customer_id: UUID, appid: str) -> str:
    """What the mini-program `appid` calls this customer: who pays there. Raises OpenidMissing."""
    openid = await _OPENID.first(session, customer_id=customer_id, appid=appid)
    if openid is None:
        raise OpenidMissing(appid=appid)
    return openid


async def nickname(session: Session, customer_id: UUID) -> str:
    """What the customer wants to be called. Raises NotFound."""
    named = await _NAMES.first(session, ids=[customer_id])
    if named is None:
        raise NotFound
    return named.nickname


async def masked_names(session: Session, ids: Collection[UUID]) -> dict[UUID, str]:
    """How others may see these customers ("L**"); an unknown id is left out."""
    return {row.id: mask(row.nickname) for row in await _NAMES.all(session, ids=list(set(ids)))}
