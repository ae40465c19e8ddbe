"""Events that count, readers that write down what they read, and the steps of the log by hand."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from app.core.db import Database, Session
from app.core.events import (
    Event,
    Recorded,
    publish,
    sequence_once,
)
from app.core.events.consumers import register
from app.core.ids import new_id
from tests import sql
from tests.audit import count


class Counted(Event, frozen=True, kw_only=True, tag="test.counted"):
    subject: UUID
    number: int

    @property
    def stream(self) -> UUID:
        return self.subject


class Passed(Event, frozen=True, kw_only=True, tag="test.passed"):
    subject: UUID

    @property
    def stream(self) -> UUID:
        return self.subject


class Crashed(Exception):
    """Stands for whatever goes wrong in a consumer."""


@pytest.fixture(autouse=True)
async def effects(db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "CREATE TABLE subject (id uuid PRIMARY KEY, number int NOT NULL DEFAULT 0)")
        await sql.execute(
            session,
            """CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, reader text, seq bigint, subject uuid,
                                    number int, UNIQUE (reader, seq))""",
        )


async def new_subjects(db: Database, amount: int) -> list[UUID]:
    ids = [new_id() for _ in range(amount)]
    async with db.transaction() as session:
        await sql.execute(session, "INSERT INTO subject (id) SELECT * FROM unnest($1::uuid[])", ids)
    return ids


async def happen(db: Database, subject: UUID, *, fail: bool = False) -> None:
    """The subject's next event, published while its row is held."""
    async with db.transaction() as session:
        number = await sql.fetchval(
            session, "UPDATE subject SET number = number + 1 WHERE id = $1 RETURNING number", subject
        )
        await publish(session, Counted(subject=subject, number=number))
        if fail:
            raise Crashed


async def sequence(db: Database) -> int:
    async with db.transaction() as session:
        return await sequence_once(session)


async def write_effects(session: Session, reader: str, batch: Sequence[Recorded[Counted]]) -> None:
    await sql.executemany(
        session,
        "INSERT INTO effect (reader, seq, subject, number) VALUES ($1, $2, $3, $4)",
        [(reader, one.seq, one.event.subject, one.event.number) for one in batch],
    )


async def effects_of(db: Database, reader: str) -> list[tuple[UUID, int]]:
    async with db.transaction() as session:
        rows = await sql.fetch(session, "SELECT subject, number FROM effect WHERE reader = $1 ORDER BY id", reader)
    return [(row["subject"], row["number"]) for row in rows]


async def listen(db: Database, *consumers: Any) -> None:
    async with db.transaction() as session:
        await register(session, consumers)


async def cursor(db: Database, name: str) -> int:
    return await count(db, "SELECT seq FROM event_cursor WHERE consumer = $1", name)


async def happen_as(db: Database, subject: UUID, number: int) -> None:
    async with db.transaction() as session:
        await publish(session, Counted(subject=subject, number=number))
