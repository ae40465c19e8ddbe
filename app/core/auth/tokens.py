"""Signed access tokens. Short-lived and, for customers, checked without the database."""

import time
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from app.core.auth.actors import Actor, Kind, Role
from app.core.errors import Unauthenticated
from app.core.settings import Settings

_ALGORITHM = "HS256"


def _key(settings: Settings) -> OctKey:
    return OctKey.import_key(settings.secret_key.get_secret_value())


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
    return jwt.encode({"alg": _ALGORITHM}, claims, _key(settings))


def read(settings: Settings, token: str) -> Actor:
    """The actor inside a token. Raises Unauthenticated when it is malformed, forged or spent."""
    try:
        claims = jwt.decode(token, _key(settings), algorithms=[_ALGORITHM]).claims
        if int(claims["exp"]) <= time.time():
            raise Unauthenticated
        role = claims.get("role")
        return Actor(
            kind=Kind(claims["kind"]),
            id=UUID(claims["sub"]),
            family=UUID(claims["fam"]),
            role=Role(role) if role else None,
            scope_path=str(claims.get("path", "")),
        )
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unauthenticated from error
