"""One request, one effect, with a network step in the middle that may fail, hang or lose its owner."""

import asyncio
from uuid import UUID

import pytest

from app.core import idempotency
from app.core.db import Database, Session
from app.core.idempotency import IdempotencyKeyReused, Key, Reply, StillRunning
from app.core.ids import new_id
from tests import sql
from tests.audit import count


class Refused(Exception):
    pass


@pytest.fixture(autouse=True)
async def things(db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "CREATE TABLE thing (id uuid PRIMARY KEY)")


class Act:
    """Makes a thing, then talks to the network, a scripted number of times badly."""

    def __init__(self, db: Database, *, failures: int = 0, refusals: int = 0) -> None:
        self.db = db
        self.failures = failures
        self.refusals = refusals
        self.finished: list[UUID] = []
        self.gate: asyncio.Event | None = None
        self.reached = asyncio.Event()

    async def begin(self, session: Session, subject: UUID) -> None:
        await sql.execute(session, "INSERT INTO thing VALUES ($1)", subject)
        if self.refusals:
            self.refusals -= 1
            raise Refused

    async def finish(self, subject: UUID) -> Reply:
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        self.finished.append(subject)
        if self.failures:
            self.failures -= 1
            raise Refused
        return Reply(201, str(subject).encode())

    async def run(self, key: str = "k", actor: str = "customer:1", body: bytes = b"{}") -> Reply:
        return await idempotency.run(self.db, Key.of(actor, key, body), new_id(), begin=self.begin, finish=self.finish)


async def things_made(db: Database) -> int:
    return await count(db, "SELECT count(*) FROM thing")


async def test_repeats_get_the_same_bytes(db: Database) -> None:
    act = Act(db)
    first = await act.run()
    again = await act.run()
    assert (first.replayed, again.replayed) == (False, True)
    assert (first.status, first.body) == (again.status, again.body)
    assert await things_made(db) == 1


async def test_another_body_under_the_key_is_refused_and_another_actor_has_keys_of_his_own(db: Database) -> None:
    act = Act(db)
    await act.run()
    with pytest.raises(IdempotencyKeyReused):
        await act.run(body=b'{"other": 1}')
    assert not (await act.run(actor="customer:2", body=b"else")).replayed
    assert await things_made(db) == 2


async def test_a_refused_first_attempt_leaves_nothing_and_may_be_tried_again(db: Database) -> None:
    act = Act(db, refusals=1)
    with pytest.raises(Refused):
        await act.run()
    assert await things_made(db) == 0
    assert not (await act.run(body=b"even with another body")).replayed


async def test_a_failed_network_step_is_resumed_at_once_on_the_same_thing(db: Database) -> None:
    act = Act(db, failures=2)
    for _ in range(2):
        with pytest.raises(Refused):
            await act.run()
    reply = await act.run()
    assert len(set(act.finished)) == 1, "always under the number of the first"
    assert reply.body == str(act.finished[0]).encode()
    assert not reply.replayed
    assert await things_made(db) == 1


async def test_while_the_owner_lives_nobody_takes_over(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "_WAIT_S", 0.3)
    act = Act(db)
    act.gate = asyncio.Event()
    owner = asyncio.create_task(act.run())
    await act.reached.wait()
    with pytest.raises(StillRunning) as refused:
        await act.run()
    assert refused.value.headers()["Retry-After"]
    act.gate.set()
    assert not (await owner).replayed
    assert (await act.run()).replayed
    assert len(act.finished) == 1


async def test_a_repeat_that_waits_gets_the_reply_as_soon_as_it_is_there(db: Database) -> None:
    act = Act(db)
    act.gate = asyncio.Event()
    owner = asyncio.create_task(act.run())
    await act.reached.wait()
    waiting = [asyncio.create_task(act.run()) for _ in range(5)]
    await asyncio.sleep(0)
    act.gate.set()
    replies = await asyncio.gather(owner, *waiting)
    assert len({reply.body for reply in replies}) == 1
    assert sum(reply.replayed for reply in replies) == 5


async def test_when_the_owner_is_gone_one_repeat_takes_over_after_the_lease(db: Database) -> None:
    act = Act(db)
    key = Key.of("customer:1", "k", b"{}")
    subject = new_id()
    async with db.transaction() as session:  # all that is left of a process that was killed after its first transaction
        assert await idempotency._claim(session, key, subject)
        await act.begin(session, subject)
        await sql.execute(session, "UPDATE idempotency_key SET lease_until = clock_timestamp() - interval '1 ms'")
    replies = await asyncio.gather(*(act.run() for _ in range(8)))
    assert act.finished == [subject], "one network step, on the thing that was made"
    assert {reply.body for reply in replies} == {str(subject).encode()}
    assert sum(not reply.replayed for reply in replies) == 1
    assert await things_made(db) == 1


async def test_of_two_who_finish_the_first_reply_stands(db: Database) -> None:
    """An owner that was only slow comes back after another has taken over."""
    slow, quick = Act(db), Act(db)
    slow.gate = asyncio.Event()
    owner = asyncio.create_task(slow.run())
    await slow.reached.wait()
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE idempotency_key SET lease_until = clock_timestamp() - interval '1 ms'")
    taken = await quick.run()
    slow.gate.set()
    late = await owner
    assert (taken.replayed, late.replayed) == (False, True)
    assert taken.body == late.body
    assert await things_made(db) == 1


async def test_an_owner_that_fails_late_does_not_free_the_step_of_who_took_over(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_WAIT_S", 0.3)
    slow, taker = Act(db, failures=1), Act(db)
    slow.gate, taker.gate = asyncio.Event(), asyncio.Event()
    owner = asyncio.create_task(slow.run())
    await slow.reached.wait()
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE idempotency_key SET lease_until = clock_timestamp() - interval '1 ms'")
    taken = asyncio.create_task(taker.run())
    await taker.reached.wait()
    slow.gate.set()
    with pytest.raises(Refused):
        await owner
    third = Act(db)
    with pytest.raises(StillRunning):
        await third.run()
    taker.gate.set()
    assert not (await taken).replayed
    assert not third.reached.is_set(), "one network step at a time"
    assert await things_made(db) == 1


async def test_a_cancelled_owner_frees_the_network_step(db: Database) -> None:
    act = Act(db)
    act.gate = asyncio.Event()
    owner = asyncio.create_task(act.run())
    await act.reached.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    act.gate.set()
    assert not (await act.run()).replayed
    assert await things_made(db) == 1


async def test_old_replies_are_forgotten(db: Database) -> None:
    act = Act(db)
    await act.run("new")
    await act.run("old")
    async with db.transaction() as session:
        await sql.execute(
            session, "UPDATE idempotency_key SET created_at = created_at - interval '4 days' WHERE key = 'old'"
        )
        assert await idempotency.sweep(session) == 1
    assert (await act.run("new")).replayed


def test_a_fingerprint_does_not_confuse_where_parts_end() -> None:
    assert Key.of("a", "k", b"ab", b"c").fingerprint != Key.of("a", "k", b"a", b"bc").fingerprint
