"""The event log: writers that roll back, sequencers and consumers that crash, events that cannot be applied, relays."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextvars import Context
from uuid import UUID

import pytest

from app.core.db import Database, Session
from app.core.errors import NotFound
from app.core.events import (
    Recorded,
    Transactional,
    is_anything_waiting,
    list_dead_letters,
    publish,
    replay,
    run_once,
    sequence_once,
)
from app.core.paging import Paging
from app.core.runtime import Runtime
from tests import sql
from tests.audit import count
from tests.core.counted import (
    Counted,
    Crashed,
    Passed,
    cursor,
    effects,  # noqa: F401  a fixture that every test here needs
    effects_of,
    happen,
    happen_as,
    listen,
    new_subjects,
    sequence,
    write_effects,
)


async def test_writers_sequencers_and_crashing_consumers_lose_double_and_misorder_nothing(
    db: Database, runtime: Runtime
) -> None:
    chance = random.Random(5)
    subjects = await new_subjects(db, 12)
    committed = Counter[UUID]()
    writing = True

    def reader(name: str) -> Transactional:
        async def apply(session: Session, batch: Sequence[Recorded[Counted]]) -> None:
            if chance.random() < 0.1:
                raise ConnectionError("crashed before the effects")
            await write_effects(session, name, batch)
            if chance.random() < 0.1:
                raise ConnectionError("crashed after the effects")

        return Transactional(name, (Counted,), apply, batch=40)

    readers = [reader(f"reader {n}") for n in range(3)]
    await listen(db, *readers)

    async def writer() -> None:
        for _ in range(40):
            subject = chance.choice(subjects)
            try:
                await happen(db, subject, fail=chance.random() < 0.1)
            except Crashed:
                continue
            committed[subject] += 1

    async def sequencer() -> None:
        while writing or await count(db, "SELECT count(*) FROM event_outbox"):
            await sequence(db)
            await asyncio.sleep(0)

    async def consume(consumer: Transactional) -> None:
        while (
            writing or await count(db, "SELECT count(*) FROM event_outbox") or await cursor(db, consumer.name) < total()
        ):
            try:
                await run_once(runtime, consumer)
            except ConnectionError:
                continue
            await asyncio.sleep(0)

    def total() -> int:
        return sum(committed.values())

    tasks = [
        asyncio.create_task(work)
        for work in (sequencer(), sequencer(), *(consume(r) for r in readers), consume(readers[0]))
    ]
    await asyncio.gather(*(writer() for _ in range(24)))
    writing = False
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)

    assert total() > 700
    assert await count(db, "SELECT count(*) FROM event") == total()
    assert await count(db, "SELECT max(seq) FROM event") == total(), "no gaps"
    for consumer in readers:
        seen = defaultdict(list)
        for subject, number in await effects_of(db, consumer.name):
            seen[subject].append(number)
        assert dict(seen) == {subject: list(range(1, n + 1)) for subject, n in committed.items()}
    assert await count(db, "SELECT count(*) FROM event_dead_letter") == 0


async def test_an_open_transaction_holds_up_its_own_facts_only(db: Database, runtime: Runtime) -> None:
    slow, quick = await new_subjects(db, 2)
    published, finish = asyncio.Event(), asyncio.Event()

    async def slow_writer() -> None:
        async with db.transaction() as session:
            await publish(session, Counted(subject=slow, number=1))
            published.set()
            await finish.wait()

    task = asyncio.create_task(slow_writer())
    await published.wait()
    await happen(db, quick)
    assert await sequence(db) == 1
    finish.set()
    await task
    assert await sequence(db) == 1
    async with db.transaction() as session:
        rows = await sql.fetch(session, "SELECT seq, stream FROM event ORDER BY seq")
    assert [(row["seq"], row["stream"]) for row in rows] == [(1, quick), (2, slow)]


async def test_two_sequencers_do_not_wait_for_each_other(db: Database) -> None:
    (subject,) = await new_subjects(db, 1)
    await happen(db, subject)
    async with db.transaction() as session:
        assert await sequence_once(session) == 1
        assert await asyncio.create_task(sequence(db), context=Context()) == 0
    assert await sequence(db) == 0


async def test_an_idle_look_at_the_outbox_writes_nothing(db: Database) -> None:
    """A worker sequences only when this look says so: one snapshot with nothing in it costs no transaction id."""
    (subject,) = await new_subjects(db, 1)
    async with db.transaction() as session:
        assert await is_anything_waiting(session) is False
        assert await sql.fetchval(session, "SELECT pg_current_xact_id_if_assigned()::text") is None
    await happen(db, subject)
    async with db.transaction() as session:
        assert await is_anything_waiting(session) is True
    assert await sequence(db) == 1
    async with db.transaction() as session:
        assert await is_anything_waiting(session) is False


def failing(name: str, broken: set[int]) -> Transactional:
    async def apply(session: Session, batch: Sequence[Recorded[Counted]]) -> None:
        await write_effects(session, name, batch)
        for one in batch:
            if one.event.number in broken:
                raise Crashed(f"cannot take {one.event.number}")

    return Transactional(name, (Counted,), apply)


async def test_an_event_that_keeps_failing_is_parked_and_only_its_stream_waits(db: Database, runtime: Runtime) -> None:
    bad, good = await new_subjects(db, 2)
    broken = {2}
    consumer = failing("reader", broken)
    await listen(db, consumer)
    async with db.transaction() as session:
        events = [Counted(subject=bad, number=n) for n in (1, 2, 3)] + [
            Counted(subject=good, number=n) for n in (11, 12)
        ]
        await publish(session, *events)
    await sequence(db)
    assert await run_once(runtime, consumer) == 5
    assert await effects_of(db, "reader") == [(bad, 1), (good, 11), (good, 12)]

    await happen_as(db, bad, 4)
    await happen_as(db, good, 13)
    await sequence(db)
    assert await run_once(runtime, consumer) == 2
    assert (await effects_of(db, "reader"))[3:] == [(good, 13)]
    async with db.transaction() as session:
        letters = (await list_dead_letters(session, Paging(10))).items
    assert [(one.seq, one.error and "cannot take 2" in one.error) for one in letters] == [
        (2, True),
        (3, None),
        (6, None),
    ]

    assert await replay(runtime, [consumer], letters[1].id) == 0, "not mended yet"
    broken.clear()
    assert await replay(runtime, [consumer], letters[2].id) == 3
    assert [effect for effect in await effects_of(db, "reader") if effect[0] == bad] == [(bad, n) for n in (1, 2, 3, 4)]
    async with db.transaction() as session:
        assert (await list_dead_letters(session, Paging(10))).items == []
    with pytest.raises(NotFound):
        await replay(runtime, [consumer], letters[0].id)
    await happen_as(db, bad, 5)
    await sequence(db)
    await run_once(runtime, consumer)
    assert (await effects_of(db, "reader"))[-1] == (bad, 5), "the stream flows again"


async def test_a_replay_that_fails_half_way_heals_what_came_before(db: Database, runtime: Runtime) -> None:
    (subject,) = await new_subjects(db, 1)
    broken = {1, 3}
    consumer = failing("reader", broken)
    await listen(db, consumer)
    for number in (1, 2, 3, 4):
        await happen_as(db, subject, number)
    await sequence(db)
    await run_once(runtime, consumer)
    assert await effects_of(db, "reader") == []
    broken.remove(1)
    async with db.transaction() as session:
        first = ((await list_dead_letters(session, Paging(1))).items)[0]
    assert await replay(runtime, [consumer], first.id) == 2
    assert await effects_of(db, "reader") == [(subject, 1), (subject, 2)]
    async with db.transaction() as session:
        left = (await list_dead_letters(session, Paging(10))).items
    assert [(one.seq, bool(one.error)) for one in left] == [(3, True), (4, False)]


async def test_an_effect_that_is_refused_only_at_commit_is_parked_too(db: Database, runtime: Runtime) -> None:
    bad, good = await new_subjects(db, 2)
    async with db.transaction() as session:
        await sql.execute(
            session,
            "ALTER TABLE effect ADD CONSTRAINT late UNIQUE (subject, number) DEFERRABLE INITIALLY DEFERRED",
        )

    async def apply(session: Session, batch: Sequence[Recorded[Counted]]) -> None:
        await write_effects(session, "reader", batch)

    consumer = Transactional("reader", (Counted,), apply)
    await listen(db, consumer)
    for subject, number in ((bad, 1), (bad, 1), (bad, 2), (good, 1), (good, 2)):
        await happen_as(db, subject, number)
    await sequence(db)
    assert await run_once(runtime, consumer) == 5
    assert await effects_of(db, "reader") == [(bad, 1), (good, 1), (good, 2)]

    async with db.transaction() as session:
        letters = (await list_dead_letters(session, Paging(10))).items
    assert [(one.seq, one.error and "late" in one.error) for one in letters] == [(2, True), (3, None)]
    assert await replay(runtime, [consumer], letters[0].id) == 0, "refused again, and only this one"
    async with db.transaction() as session:
        await sql.execute(session, "DELETE FROM effect WHERE seq = 1")
    assert await replay(runtime, [consumer], letters[0].id) == 2
    assert await effects_of(db, "reader") == [(good, 1), (good, 2), (bad, 1), (bad, 2)]


async def test_an_old_shape_that_no_longer_fits_is_parked_not_fatal(db: Database, runtime: Runtime) -> None:
    bad, good = await new_subjects(db, 2)
    consumer = failing("reader", set())
    await listen(db, consumer)
    async with db.transaction() as session:
        await sql.execute(
            session,
            "INSERT INTO event_outbox (type, stream, payload) VALUES ('test.counted', $1, '{\"other\": 1}')",
            bad,
        )
    await happen(db, good)
    await sequence(db)
    assert await run_once(runtime, consumer) == 2
    assert await effects_of(db, "reader") == [(good, 1)]
    assert await count(db, "SELECT count(*) FROM event_dead_letter WHERE stream = $1", bad) == 1


async def test_a_consumer_reads_its_own_kinds_and_passes_over_the_rest(db: Database, runtime: Runtime) -> None:
    (subject,) = await new_subjects(db, 1)
    consumer = failing("reader", set())
    await listen(db, consumer)
    async with db.transaction() as session:
        await publish(session, *[Passed(subject=subject) for _ in range(5)])
    await sequence(db)
    assert await run_once(runtime, consumer) == 5
    assert await cursor(db, "reader") == 5
    assert await run_once(runtime, consumer) == 0


async def test_a_consumer_is_sent_only_what_concerns_it(db: Database, runtime: Runtime) -> None:
    (subject,) = await new_subjects(db, 1)
    for number in range(6):
        await happen_as(db, subject, number)
    await sequence(db)
    seen: list[int] = []

    async def apply(session: Session, batch: Sequence[Recorded[Counted]]) -> None:
        seen.extend(one.event.number for one in batch)

    narrow = Transactional("narrow", (Counted,), apply, batch=2, concerning="$.number > 2 || $.missing != null")
    await listen(db, narrow)
    while await run_once(runtime, narrow):
        pass
    assert seen == [3, 4, 5]
    assert await cursor(db, "narrow") == 6


async def test_a_new_consumer_begins_at_the_beginning(db: Database, runtime: Runtime) -> None:
    (subject,) = await new_subjects(db, 1)
    for _ in range(3):
        await happen(db, subject)
    await sequence(db)
    late = failing("late", set())
    assert await run_once(runtime, late) == 0, "not registered"
    await listen(db, late)
    await listen(db, late)
    assert await run_once(runtime, late) == 3
    assert await effects_of(db, "late") == [(subject, n) for n in (1, 2, 3)]


async def test_a_new_consumer_of_a_rare_fact_goes_through_a_long_log_in_steps(db: Database, runtime: Runtime) -> None:
    (subject,) = await new_subjects(db, 1)
    late = failing("late", set())
    await listen(db, late)
    async with db.transaction() as session:
        await sql.execute(
            session,
            """INSERT INTO event_outbox (type, stream, payload)
               SELECT 'test.passed', $1, '{}' FROM generate_series(1, 30000)""",
            subject,
        )
    await happen(db, subject)
    while await sequence(db):
        pass
    steps = []
    while step := await run_once(runtime, late):
        steps.append(step)
    assert sum(steps) == 30_001
    assert max(steps) <= 10_000, "what one statement must get through does not grow with the log"
    assert await effects_of(db, "late") == [(subject, 1)]


async def test_a_fact_of_a_rolled_back_transaction_was_never_told(db: Database) -> None:
    (subject,) = await new_subjects(db, 1)
    with pytest.raises(Crashed):
        async with db.transaction() as session:
            await publish(session, Counted(subject=subject, number=1))
            raise Crashed
    assert await sequence(db) == 0
    assert await count(db, "SELECT count(*) FROM event_outbox") == 0
