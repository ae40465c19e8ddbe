"""Refresh families: one login, rotating tokens, and its end."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec

from app.core.auth import tokens
from app.core.auth.actors import Actor, Kind, Role
from app.core.db import Session, Statement
from app.core.errors import NotFound, Unauthenticated
from app.core.ids import new_id
from app.core.settings import Settings


class RefreshReused(Unauthenticated):
    """A refresh token came a second time: somebody has a copy, so the whole login has ended. A customer's access token
    still works until it runs out, within 30 minutes; a staff member's does not."""

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


class _Login(msgspec.Struct, frozen=True):
    id: UUID
    kind: Kind
    subject_id: UUID
    role: Role | None
    scope_path: str

    def actor(self) -> Actor:
        return Actor(kind=self.kind, id=self.subject_id, family=self.id, role=self.role, scope_path=self.scope_path)


_OPEN = Statement(
    """INSERT INTO auth_family (id, kind, subject_id, role, scope_path)
       VALUES (:id, :kind, :subject_id, :role, :scope_path)"""
)
_ISSUE = Statement(
    """INSERT INTO auth_refresh (token_hash, family_id, expires_at)
       VALUES (:token_hash, :family_id, clock_timestamp() + :life)"""
)
_USE = Statement(
    """UPDATE auth_refresh r SET used_at = clock_timestamp() FROM auth_family f
       WHERE r.token_hash = :token_hash AND r.used_at IS NULL AND r.expires_at > clock_timestamp()
         AND f.id = r.family_id AND f.revoked_at IS NULL
       RETURNING f.id, f.kind, f.subject_id, f.role, f.scope_path""",
    _Login,
)
_USED_BEFORE = Statement(
    "SELECT family_id FROM auth_refresh WHERE token_hash = :token_hash AND used_at IS NOT NULL", UUID
)
_CURRENT = Statement(
    "SELECT id, kind, subject_id, role, scope_path FROM auth_family WHERE id = :family_id AND revoked_at IS NULL",
    _Login,
)
_REVOKE_FAMILY = Statement(
    "UPDATE auth_family SET revoked_at = clock_timestamp() WHERE id = :family_id AND revoked_at IS NULL"
)
_REVOKE_SUBJECT = Statement(
    "UPDATE auth_family SET revoked_at = clock_timestamp() WHERE subject_id = :subject_id AND revoked_at IS NULL"
)
_MOVE = Statement(
    """UPDATE auth_family SET role = :role, scope_path = :scope_path
       WHERE subject_id = :subject_id AND revoked_at IS NULL"""
)
_FORGET_TOKENS = Statement(
    """DELETE FROM auth_refresh WHERE token_hash IN (
           SELECT token_hash FROM auth_refresh
           WHERE expires_at < statement_timestamp() - interval '1 day' LIMIT 5000)
       RETURNING family_id""",
    UUID,
)
_FORGET_FAMILIES = Statement(
    """DELETE FROM auth_family f
       WHERE id = ANY(:ids) AND NOT EXISTS (SELECT 1 FROM auth_refresh r WHERE r.family_id = f.id)"""
)


async def open_family(
    session: Session,
    settings: Settings,
    *,
    kind: Kind,
    subject_id: UUID,
    role: Role | None = None,
    scope_path: str = "",
) -> TokenPair:
    """Begin a login for a subject whose identity the caller has just proved."""
    actor = Actor(kind=kind, id=subject_id, family=new_id(), role=role, scope_path=scope_path)
    await _OPEN.run(session, id=actor.family, kind=kind, subject_id=subject_id, role=role, scope_path=scope_path)
    return await _issue(session, settings, actor)


async def _issue(session: Session, settings: Settings, actor: Actor) -> TokenPair:
    refresh_token = secrets.token_urlsafe(32)
    life = timedelta(seconds=settings.refresh_ttl_s)
    await _ISSUE.run(session, token_hash=_hash(refresh_token), family_id=actor.family, life=life)
    return TokenPair(tokens.sign(settings, actor), refresh_token, settings.access_ttl_s)


async def refresh(session: Session, settings: Settings, token: str) -> tuple[Actor, TokenPair] | None:
    """Exchange a refresh token for a new pair. Raises Unauthenticated for an unknown or spent one.

    For a used one the family ends and the answer is None: the edge commits that, then raises RefreshReused.
    """
    login = await _USE.first(session, token_hash=_hash(token))
    if login is not None:
        return login.actor(), await _issue(session, settings, login.actor())
    reused = await _USED_BEFORE.first(session, token_hash=_hash(token))
    if reused is None:
        raise Unauthenticated
    await revoke_family(session, reused)
    return None


async def current(session: Session, family_id: UUID) -> Actor:
    """The login as it stands now. Raises Unauthenticated when it has ended."""
    login = await _CURRENT.first(session, family_id=family_id)
    if login is None:
        raise Unauthenticated
    return login.actor()


async def require_manager(session: Session, actor: Actor, scope_path: str) -> None:
    """What a manager does to what lies at a path, after waiting for its row: others may have ended or moved the login.

    Raises Unauthenticated, and NotFound when it reaches the path no more.
    """
    now = await current(session, actor.family)
    if now.role is Role.GUIDE or not now.reaches(scope_path):
        raise NotFound


async def revoke_family(session: Session, family_id: UUID) -> None:
    """End one login."""
    await _REVOKE_FAMILY.run(session, family_id=family_id)


async def revoke_subject(session: Session, subject_id: UUID) -> None:
    """End every login of a person: a guide who leaves loses all reach with the next request."""
    await _REVOKE_SUBJECT.run(session, subject_id=subject_id)


async def move_scope(session: Session, subject_id: UUID, *, role: Role, scope_path: str) -> None:
    """Give a staff member's open logins another role or place, from the next request on."""
    await _MOVE.run(session, subject_id=subject_id, role=role, scope_path=scope_path)


async def sweep(session: Session) -> int:
    """Forget refresh tokens that ran out a day ago, at most 5,000 at a time, and the logins whose last ones they were.

    Until then a reuse is recognised.
    """
    families = await _FORGET_TOKENS.all(session)
    await _FORGET_FAMILIES.run(session, ids=list(set(families)))
    return len(families)
