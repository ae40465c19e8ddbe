"""One request, one effect: `Idempotency-Key` with the network in the middle.

Transaction 1 writes the key, the fingerprint of the body and the thing itself. The network step runs outside.
Transaction 2 stores the reply's bytes. A repeat gets those bytes; before they exist it waits a bounded time, then takes
over the unfinished step under the same subject when its owner is gone, or answers 409 with `Retry-After`.
A first attempt that is refused rolls back its key as well, so it may be tried again.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.core import db
from app.core.db import AsyncSession, Database
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

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "2"}


@dataclass(frozen=True, slots=True)
class Key:
    """Who asked, under which key, for what (a hash of method, path and body)."""

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


Begin = Callable[[AsyncSession, UUID], Awaitable[None]]
"""Transaction 1: make the thing, under the given new id."""
Finish = Callable[[UUID], Awaitable[tuple[Reply, Callable[[AsyncSession], Awaitable[None]] | None]]]
"""The network step on the thing, and what transaction 2 is to record beside the reply. Must be repeatable."""


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
        reply, record = await finish(step.subject)
        async with database.transaction() as session:
            if record is not None:
                await record(session)
            return await _keep(session, key, reply)
    except BaseException:
        # The thing stands; whoever repeats the request may take the network step over at once.
        async with database.transaction() as session:
            await _release(session, key, step.lease_until)
        raise


async def _claim(session: AsyncSession, key: Key, subject: UUID) -> datetime | None:
    """Insert the key, with a lease; waits for a concurrent first insert and then loses to it."""
    lease_until: datetime | None = await db.fetchval(
        session,
        """INSERT INTO idempotency_key (actor, key, fingerprint, subject, lease_until, created_at)
           VALUES ($1, $2, $3, $4, clock_timestamp() + $5, clock_timestamp()) ON CONFLICT DO NOTHING
           RETURNING lease_until""",
        key.actor,
        key.key,
        key.fingerprint,
        subject,
        LEASE,
    )
    return lease_until


async def _await_reply(database: Database, key: Key) -> Reply | _Step:
    """The first request's reply, or its unfinished step when that was taken over."""
    deadline = time.monotonic() + _WAIT_S
    pause_s = 0.02
    while True:
        async with database.transaction() as session:
            row = await db.fetchrow(
                session,
                """SELECT fingerprint, subject, status, body, lease_until <= clock_timestamp() AS free
                   FROM idempotency_key WHERE actor = $1 AND key = $2""",
                key.actor,
                key.key,
            )
            if row is None:
                raise StillRunning
            if row["fingerprint"] != key.fingerprint:
                raise IdempotencyKeyReused
            if row["body"] is not None:
                return Reply(row["status"], row["body"], replayed=True)
            if row["free"] and (lease_until := await _take_over(session, key)) is not None:
                return _Step(row["subject"], lease_until)
        if time.monotonic() >= deadline:
            raise StillRunning
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.6, 0.5)


async def _take_over(session: AsyncSession, key: Key) -> datetime | None:
    lease_until: datetime | None = await db.fetchval(
        session,
        """UPDATE idempotency_key SET lease_until = clock_timestamp() + $3
           WHERE actor = $1 AND key = $2 AND body IS NULL AND lease_until <= clock_timestamp()
           RETURNING lease_until""",
        key.actor,
        key.key,
        LEASE,
    )
    return lease_until


async def _release(session: AsyncSession, key: Key, lease_until: datetime) -> None:
    """End the lease, unless another has taken the step over since."""
    await db.execute(
        session,
        """UPDATE idempotency_key SET lease_until = clock_timestamp()
           WHERE actor = $1 AND key = $2 AND body IS NULL AND lease_until = $3""",
        key.actor,
        key.key,
        lease_until,
    )


async def _keep(session: AsyncSession, key: Key, reply: Reply) -> Reply:
    """Store the reply, unless another attempt stored one first: then that is the reply."""
    kept = await db.execute(
        session,
        "UPDATE idempotency_key SET status = $3, body = $4 WHERE actor = $1 AND key = $2 AND body IS NULL",
        key.actor,
        key.key,
        reply.status,
        reply.body,
    )
    if kept:
        return reply
    row = await db.fetchrow(
        session, "SELECT status, body FROM idempotency_key WHERE actor = $1 AND key = $2", key.actor, key.key
    )
    assert row is not None
    return Reply(row["status"], row["body"], replayed=True)


async def sweep(session: AsyncSession) -> int:
    """Forget keys older than three days, at most 5,000 at a time."""
    return await db.execute(
        session,
        """DELETE FROM idempotency_key WHERE (actor, key) IN (
               SELECT actor, key FROM idempotency_key
               WHERE created_at < clock_timestamp() - interval '3 days' LIMIT 5000)""",
    )
