"""One request, one effect: `Idempotency-Key` with the network in the middle.

Transaction 1 writes the key, the fingerprint of the body and the thing itself. The network step runs outside.
One statement stores the reply's bytes. A repeat gets those bytes; before they exist it waits a bounded time, then takes
over the unfinished step under the same subject when its owner is gone, or answers 409 with `Retry-After`.
A first attempt that is refused rolls back its key as well, so it may be tried again.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import msgspec

from app.core.db import Database, Session, Statement
from app.core.errors import Conflict, Unprocessable

LEASE = timedelta(seconds=15)
"""How long the network step of one attempt may take before another may take over."""

_WAIT_S = 6.0


class IdempotencyKeyReused(Unprocessable):
    """The key was used before with another body."""

    en = "This Idempotency-Key was used with another request body."
    zh = "该 Idempotency-Key 已用于不同的请求内容。"


class StillRunning(Conflict):
    """The first request with this key is still at work."""

    en = "The first request with this key is still running. Ask again in a moment."
    zh = "使用该键的首个请求仍在处理中，请稍后重试。"
    sends: ClassVar[dict[str, str]] = {"Retry-After": "2"}


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks, under which key, for what (a hash of method, path and body)."""

    actor: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, actor: str, key: str, *parts: bytes) -> "Key":
        digest = hashlib.sha256()
        for part in parts:
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
        return cls(actor, key, digest.digest())


@dataclass(frozen=True, slots=True)
class Reply:
    """The bytes that every repeat receives."""

    status: int
    body: bytes
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """An unfinished network step that is ours, until its lease ends and another may take it over."""

    subject: UUID
    lease_until: datetime


class _Kept(msgspec.Struct, frozen=True):
    fingerprint: bytes
    subject: UUID
    status: int | None
    body: bytes | None
    free: bool


_CLAIM = Statement(
    """INSERT INTO idempotency_key (actor, key, fingerprint, subject, lease_until, created_at)
       VALUES (:actor, :key, :fingerprint, :subject, clock_timestamp() + :lease, clock_timestamp())
       ON CONFLICT DO NOTHING RETURNING lease_until""",
    datetime,
)
_FIND = Statement(
    """SELECT fingerprint, subject, status, body, lease_until <= clock_timestamp() AS free
       FROM idempotency_key WHERE actor = :actor AND key = :key""",
    _Kept,
)
_TAKE_OVER = Statement(
    """UPDATE idempotency_key SET lease_until = clock_timestamp() + :lease
       WHERE actor = :actor AND key = :key AND body IS NULL AND lease_until <= clock_timestamp()
       RETURNING lease_until""",
    datetime,
)
_RELEASE = Statement(
    """UPDATE idempotency_key SET lease_until = clock_timestamp()
       WHERE actor = :actor AND key = :key AND body IS NULL AND lease_until = :lease_until"""
)
_KEEP = Statement(
    "UPDATE idempotency_key SET status = :status, body = :body WHERE actor = :actor AND key = :key AND body IS NULL"
)
_FORGET = Statement(
    """DELETE FROM idempotency_key WHERE (actor, key) IN (
           SELECT actor, key FROM idempotency_key
           WHERE created_at < statement_timestamp() - interval '3 days' LIMIT 5000)"""
)

Begin = Callable[[Session, UUID], Awaitable[None]]
"""Transaction 1: make the thing, under the given new id."""
Finish = Callable[[UUID], Awaitable[Reply]]
"""The network step on the thing, and its reply. It must be repeatable."""


async def run(database: Database, key: Key, subject: UUID, *, begin: Begin, finish: Finish) -> Reply:
    """Do it once. Raises IdempotencyKeyReused, StillRunning, and whatever `begin` or `finish` raise."""
    async with database.transaction() as session:
        lease_until = await _claim(session, key, subject)
        if lease_until is not None:
            await begin(session, subject)
    step = await _await_reply(database, key) if lease_until is None else _Step(subject, lease_until)
    if isinstance(step, Reply):
        return step
    try:
        return await _keep(database, key, await finish(step.subject))
    except BaseException:
        # The thing stands; whoever repeats the request may take the network step over at once.
        async with database.transaction() as session:
            await _release(session, key, step.lease_until)
        raise


async def _claim(session: Session, key: Key, subject: UUID) -> datetime | None:
    """Insert the key, with a lease; waits for a concurrent first insert and then loses to it."""
    return await _CLAIM.first(
        session, actor=key.actor, key=key.key, fingerprint=key.fingerprint, subject=subject, lease=LEASE
    )


async def _await_reply(database: Database, key: Key) -> Reply | _Step:
    """The first request's reply, or its unfinished step when that was taken over."""
    deadline = time.monotonic() + _WAIT_S
    pause_s = 0.02
    while True:
        async with database.transaction() as session:
            kept = await _FIND.first(session, actor=key.actor, key=key.key)
            if kept is None:
                raise StillRunning
            if kept.fingerprint != key.fingerprint:
                raise IdempotencyKeyReused
            if kept.body is not None:
                return _replay(kept)
            if kept.free and (lease_until := await _take_over(session, key)) is not None:
                return _Step(kept.subject, lease_until)
        if time.monotonic() >= deadline:
            raise StillRunning
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.6, 0.5)


def _replay(kept: _Kept) -> Reply:
    assert kept.status is not None
    assert kept.body is not None
    return Reply(kept.status, kept.body, replayed=True)


async def _take_over(session: Session, key: Key) -> datetime | None:
    return await _TAKE_OVER.first(session, actor=key.actor, key=key.key, lease=LEASE)


async def _release(session: Session, key: Key, lease_until: datetime) -> None:
    """End the lease, unless another has taken the step over since."""
    await _RELEASE.run(session, actor=key.actor, key=key.key, lease_until=lease_until)


async def _keep(database: Database, key: Key, reply: Reply) -> Reply:
    """Store the reply, unless another attempt stored one first: then that is the reply."""
    async with database.alone() as session:
        kept = await _KEEP.run(session, actor=key.actor, key=key.key, status=reply.status, body=reply.body)
    if kept:
        return reply
    async with database.transaction() as session:
        return _replay(await _FIND.one(session, actor=key.actor, key=key.key))


async def sweep(session: Session) -> int:
    """Forget keys older than three days, at most 5,000 at a time."""
    return await _FORGET.run(session)
