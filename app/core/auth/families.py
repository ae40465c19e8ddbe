"""Refresh families: one login, rotating tokens, and its end."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from app.core import db
from app.core.auth import tokens
from app.core.auth.actors import Actor, Kind, Role
from app.core.db import AsyncSession
from app.core.errors import Unauthenticated
from app.core.ids import new_id
from app.core.settings import Settings


class RefreshReused(Unauthenticated):
    """A refresh token came a second time: somebody has a copy, so the whole login has ended."""

    en = "This refresh token was used before; the login has ended. Log in again."
    zh = "该刷新凭证已被使用过，登录已失效，请重新登录。"


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login answers with. `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def open_family(
    session: AsyncSession,
    settings: Settings,
    *,
    kind: Kind,
    subject_id: UUID,
    role: Role | None = None,
    scope_path: str = "",
) -> TokenPair:
    """Begin a login for a subject whose identity the caller has just proved."""
    actor = Actor(kind=kind, id=subject_id, family=new_id(), role=role, scope_path=scope_path)
    await db.execute(
        session,
        "INSERT INTO auth_family (id, kind, subject_id, role, scope_path) VALUES ($1, $2, $3, $4, $5)",
        actor.family,
        kind.value,
        subject_id,
        role.value if role else None,
        scope_path,
    )
    return await _issue(session, settings, actor)


async def _issue(session: AsyncSession, settings: Settings, actor: Actor) -> TokenPair:
    refresh_token = secrets.token_urlsafe(32)
    await db.execute(
        session,
        "INSERT INTO auth_refresh (token_hash, family_id, expires_at) VALUES ($1, $2, clock_timestamp() + $3)",
        _hash(refresh_token),
        actor.family,
        timedelta(seconds=settings.refresh_ttl_s),
    )
    return TokenPair(tokens.sign(settings, actor), refresh_token, settings.access_ttl_s)


async def refresh(session: AsyncSession, settings: Settings, token: str) -> tuple[Actor, TokenPair] | None:
    """Exchange a refresh token for a new pair. Raises Unauthenticated for an unknown or spent one.

    For a used one the family ends and the answer is None: the edge commits that, then raises RefreshReused.
    """
    row = await db.fetchrow(
        session,
        """UPDATE auth_refresh r SET used_at = clock_timestamp() FROM auth_family f
           WHERE r.token_hash = $1 AND r.used_at IS NULL AND r.expires_at > clock_timestamp()
             AND f.id = r.family_id AND f.revoked_at IS NULL
           RETURNING f.id, f.kind, f.subject_id, f.role, f.scope_path""",
        _hash(token),
    )
    if row is not None:
        actor = _actor(row)
        return actor, await _issue(session, settings, actor)
    reused = await db.fetchval(
        session, "SELECT family_id FROM auth_refresh WHERE token_hash = $1 AND used_at IS NOT NULL", _hash(token)
    )
    if reused is None:
        raise Unauthenticated
    await revoke_family(session, reused)
    return None


def _actor(row: asyncpg.Record) -> Actor:
    return Actor(
        kind=Kind(row["kind"]),
        id=row["subject_id"],
        family=row["id"],
        role=Role(row["role"]) if row["role"] else None,
        scope_path=row["scope_path"],
    )


async def current(session: AsyncSession, family_id: UUID) -> Actor:
    """The login as it stands now. Raises Unauthenticated when it has ended."""
    row = await db.fetchrow(
        session,
        "SELECT id, kind, subject_id, role, scope_path FROM auth_family WHERE id = $1 AND revoked_at IS NULL",
        family_id,
    )
    if row is None:
        raise Unauthenticated
    return _actor(row)


async def revoke_family(session: AsyncSession, family_id: UUID) -> None:
    """End one login."""
    await db.execute(
        session,
        "UPDATE auth_family SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL",
        family_id,
    )


async def revoke_subject(session: AsyncSession, subject_id: UUID) -> None:
    """End every login of a person: a guide who leaves loses all reach with the next request."""
    await db.execute(
        session,
        "UPDATE auth_family SET revoked_at = clock_timestamp() WHERE subject_id = $1 AND revoked_at IS NULL",
        subject_id,
    )


async def move_scope(session: AsyncSession, subject_id: UUID, *, role: Role, scope_path: str) -> None:
    """Give a staff member's open logins another role or place, from the next request on."""
    await db.execute(
        session,
        "UPDATE auth_family SET role = $2, scope_path = $3 WHERE subject_id = $1 AND revoked_at IS NULL",
        subject_id,
        role.value,
        scope_path,
    )


async def sweep(session: AsyncSession) -> int:
    """Forget refresh tokens that ran out a day ago, at most 5,000 at a time, and the logins whose last ones they were.

    Until then a reuse is recognised.
    """
    spent = await db.fetch(
        session,
        """DELETE FROM auth_refresh WHERE token_hash IN (
               SELECT token_hash FROM auth_refresh
               WHERE expires_at < clock_timestamp() - interval '1 day' LIMIT 5000)
           RETURNING family_id""",
    )
    await db.execute(
        session,
        """DELETE FROM auth_family f
           WHERE id = ANY($1) AND NOT EXISTS (SELECT 1 FROM auth_refresh r WHERE r.family_id = f.id)""",
        {row["family_id"] for row in spent},
    )
    return len(spent)
