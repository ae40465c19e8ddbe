"""Signed access tokens. Short-lived and, for customers, checked without the database."""

import time
from functools import lru_cache
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.core.auth.actors import Actor, Kind, Role
from app.core.errors import Unauthenticated
from app.core.settings import Settings

_ALGORITHM = "HS256"
_REMEMBERED = 10_000


@lru_cache(maxsize=4)
def _key(secret: str) -> OctKey:
    return OctKey.import_key(secret)


def sign(settings: Settings, actor: Actor) -> str:
    """An access token for `actor`, good for `access_ttl_s`."""
    now = int(time.time())
    claims = {
        "sub": str(actor.id),
        "kind": actor.kind.value,
        "fam": str(actor.family),
        "iat": now,
        "exp": now + settings.access_ttl_s,
    }
    if actor.role is not None:
        claims |= {"role": actor.role.value, "path": actor.scope_path}
    return jwt.encode({"alg": _ALGORITHM}, claims, _key(settings.secret_key.get_secret_value()))


def read(settings: Settings, token: str) -> Actor:
    """The actor inside a token. Raises Unauthenticated when it is malformed, forged or spent."""
    try:
        actor, expires_at = _verified(settings.secret_key.get_secret_value(), token)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unauthenticated from error
    if expires_at <= time.time():
        raise Unauthenticated
    return actor


@lru_cache(maxsize=_REMEMBERED)
def _verified(secret: str, token: str) -> tuple[Actor, int]:
    """What a token signed with this secret says, and until when. What does not verify raises, and is not remembered."""
    claims = jwt.decode(token, _key(secret), algorithms=[_ALGORITHM]).claims
    role = claims.get("role")
    actor = Actor(
        kind=Kind(claims["kind"]),
        id=UUID(claims["sub"]),
        family=UUID(claims["fam"]),
        role=Role(role) if role else None,
        scope_path=str(claims.get("path", "")),
    )
    return actor, int(claims["exp"])
