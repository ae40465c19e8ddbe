"""Relays: they send at least once and outside transactions, and what cannot be sent becomes a dead letter and replayed."""

import asyncio
from collections.abc import Sequence

import pytest
from redis.exceptions import RedisError

from app.core import redis as core_redis
from app.core.db import Database
from app.core.errors import NotFound
from app.core.events import (
    Recorded,
    Relay,
    consumers,
    list_dead_letters,
    replay,
    run_once,
)
from app.core.paging import Paging
from app.core.runtime import Runtime
from app.core.settings import Settings
from tests import sql
from tests.audit import count
from tests.core.counted import (
    Counted,
    Crashed,
    cursor,
    effects,  # noqa: F401  a fixture that every test here needs
    happen,
    happen_as,
    listen,
    new_subjects,
    sequence,
)


async def test_a_relay_sends_at_least_once_and_never_inside_a_transaction(db: Database, runtime: Runtime) -> None:
    (subject,) = await new_subjects(db, 1)
    sent: list[int] = []
    crash = iter([True, False, False])

    async def send(runtime: Runtime, batch: Sequence[Recorded[Counted]]) -> None:
        await runtime.redis.ping()
        sent.extend(one.seq for one in batch)
        if next(crash):
            raise ConnectionError("nobody knows whether it arrived")

    relay = Relay("relay", (Counted,), send)
    await listen(db, relay)
    await happen(db, subject)
    await happen(db, subject)
    await sequence(db)
    with pytest.raises(ConnectionError):
        await run_once(runtime, relay)
    assert await cursor(db, "relay") == 0
    assert await run_once(runtime, relay) == 2
    assert await run_once(runtime, relay) == 0
    assert sent == [1, 2, 1, 2], "again under the same numbers"


async def test_of_two_relays_at_once_one_moves_the_cursor(db: Database, runtime: Runtime) -> None:
    (subject,) = await new_subjects(db, 1)
    both = asyncio.Barrier(2)

    async def send(runtime: Runtime, batch: Sequence[Recorded[Counted]]) -> None:
        await both.wait()

    relay = Relay("relay", (Counted,), send)
    await listen(db, relay)
    await happen(db, subject)
    await sequence(db)
    assert sorted(await asyncio.gather(run_once(runtime, relay), run_once(runtime, relay))) == [0, 1]
    assert await cursor(db, "relay") == 1


class Told:
    """A relay to a list in Redis that cannot send some numbers."""

    def __init__(self, *broken: int) -> None:
        self.broken = set(broken)
        self.relay = Relay("relay", (Counted,), self._send)
        self.sending: asyncio.Event | None = None
        self.go_on = asyncio.Event()

    async def _send(self, runtime: Runtime, batch: Sequence[Recorded[Counted]]) -> None:
        if self.sending is not None and not batch[0].replayed:
            self.sending.set()
            await self.go_on.wait()
        for one in batch:
            if one.event.number in self.broken:
                raise Crashed(f"cannot send {one.event.number}")
            await runtime.redis.hset("told", str(one.seq), f"{one.event.number}{' late' if one.replayed else ''}")

    async def heard(self, runtime: Runtime) -> dict[int, str]:
        return {int(seq): told.decode() for seq, told in (await runtime.redis.hgetall("told")).items()}


async def test_what_a_relay_cannot_send_is_parked_and_only_its_stream_waits(db: Database, runtime: Runtime) -> None:
    bad, old, good = await new_subjects(db, 3)
    told = Told(2)
    await listen(db, told.relay)
    async with db.transaction() as session:
        await sql.execute(
            session,
            "INSERT INTO event_outbox (type, stream, payload) VALUES ('test.counted', $1, '{\"other\": 1}')",
            old,
        )
    for subject, number in ((bad, 1), (bad, 2), (good, 11), (bad, 3), (good, 12)):
        await happen_as(db, subject, number)
    await sequence(db)
    assert [await run_once(runtime, told.relay) for _ in range(3)] == [1, 2, 3], "up to each that it cannot send"
    assert await told.heard(runtime) == {2: "1", 4: "11", 6: "12"}
    await happen_as(db, bad, 4)
    await happen_as(db, good, 13)
    await sequence(db)
    assert await run_once(runtime, told.relay) == 2
    async with db.transaction() as session:
        letters = (await list_dead_letters(session, Paging(10))).items
    assert [(one.seq, bool(one.error)) for one in letters] == [(1, True), (3, True), (5, False), (7, False)]

    assert await replay(runtime, [told.relay], letters[1].id) == 0, "not mended yet"
    told.broken.clear()
    assert await replay(runtime, [told.relay], letters[2].id) == 3
    late = {3: "2 late", 5: "3 late", 7: "4 late"}
    assert await told.heard(runtime) == {2: "1", 4: "11", 6: "12", 8: "13"} | late
    with pytest.raises(NotFound):
        await replay(runtime, [told.relay], letters[1].id)
    await happen_as(db, bad, 5)
    await sequence(db)
    await run_once(runtime, told.relay)
    assert (await told.heard(runtime))[9] == "5", "the stream flows again"


async def test_a_relay_waits_for_its_receiver_and_parks_nothing_meanwhile(
    db: Database, runtime: Runtime, settings: Settings
) -> None:
    (subject,) = await new_subjects(db, 1)
    told = Told()
    await listen(db, told.relay)
    await happen(db, subject)
    await sequence(db)
    nobody = core_redis.connect(settings.model_copy(update={"redis_url": "redis://127.0.0.1:9/0"}))
    with pytest.raises(RedisError):
        await run_once(Runtime(settings, db, nobody), told.relay)
    await nobody.aclose()
    assert await cursor(db, "relay") == 0
    assert await count(db, "SELECT count(*) FROM event_dead_letter") == 0
    assert await run_once(runtime, told.relay) == 1
    assert await told.heard(runtime) == {1: "1"}


async def test_a_relay_that_holds_a_stream_back_learns_of_its_replay(db: Database, runtime: Runtime) -> None:
    bad, good = await new_subjects(db, 2)
    told = Told(1)
    await listen(db, told.relay)
    await happen_as(db, bad, 1)
    await sequence(db)
    await run_once(runtime, told.relay)
    async with db.transaction() as session:
        (letter,) = (await list_dead_letters(session, Paging(10))).items

    told.broken.clear()
    told.sending = asyncio.Event()
    await happen_as(db, bad, 2)
    await happen_as(db, good, 11)
    await sequence(db)
    relaying = asyncio.create_task(run_once(runtime, told.relay))
    await told.sending.wait()
    assert await replay(runtime, [told.relay], letter.id) == 1
    told.go_on.set()
    assert await relaying == 0, "what it held back may go now, so it reads again"
    assert await run_once(runtime, told.relay) == 2
    assert await told.heard(runtime) == {1: "1 late", 2: "2", 3: "11"}
    assert await count(db, "SELECT count(*) FROM event_dead_letter WHERE resolved_at IS NULL") == 0


class Newest(Told):
    """A relay whose receiver remembers the newest number and drops what is older."""

    async def _send(self, runtime: Runtime, batch: Sequence[Recorded[Counted]]) -> None:
        newest = max(await self.heard(runtime), default=0)
        await super()._send(runtime, [one for one in batch if one.seq > newest or one.event.number in self.broken])


async def test_what_one_version_cannot_send_is_sent_by_the_next_and_not_dropped(
    db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = await new_subjects(db, 2)
    old, new = Newest(11), Newest()
    await listen(db, old.relay)
    for subject, number in ((one, 1), (other, 11), (one, 2)):
        await happen_as(db, subject, number)
    await sequence(db)

    async def killed(*_: object) -> int:
        raise ConnectionError("killed before the cursor moved")

    with monkeypatch.context() as patch:
        patch.setattr(consumers, "lock_cursor", killed)
        with pytest.raises(ConnectionError):
            await run_once(runtime, old.relay)
    assert await run_once(runtime, new.relay) == 3
    assert await new.heard(runtime) == {1: "1", 2: "11", 3: "2"}
    assert await count(db, "SELECT count(*) FROM event_dead_letter") == 0
