"""Housekeeping keeps up with what a busy day leaves behind, and touches nothing that is still needed."""

from app.core import housekeeping
from app.core.auth import Kind, open_family
from app.core.db import Database
from app.core.ids import new_id
from app.core.runtime import Runtime
from app.core.settings import Settings
from tests import sql
from tests.audit import count

MANY = 12_000


async def test_one_sweep_forgets_all_that_a_flood_left(db: Database, runtime: Runtime) -> None:
    async with db.transaction() as session:
        for statement in (
            """INSERT INTO idempotency_key (actor, key, fingerprint, subject, lease_until, created_at)
               SELECT 'cus_1', n::text, '', gen_random_uuid(), now(), now() - interval '4 days'
               FROM generate_series(1, $1::int) n""",
            """WITH login AS (
                   INSERT INTO auth_family (id, kind, subject_id, scope_path)
                   SELECT gen_random_uuid(), 'customer', gen_random_uuid(), '' FROM generate_series(1, $1::int)
                   RETURNING id)
               INSERT INTO auth_refresh (token_hash, family_id, expires_at)
               SELECT uuid_send(id), id, now() - interval '2 days' FROM login""",
            """INSERT INTO event_dead_letter (id, consumer, seq, stream, type, attempts, resolved_at)
               SELECT gen_random_uuid(), 'test', n, gen_random_uuid(), 'test.seen', 3, now() - interval '31 days'
               FROM generate_series(1, $1::int) n""",
            """INSERT INTO job_done (key, done_at)
               SELECT n::text, now() - interval '366 days' FROM generate_series(1, $1::int) n""",
        ):
            await sql.execute(session, statement, MANY)
    await housekeeping.sweep(runtime)
    for table in ("idempotency_key", "auth_refresh", "auth_family", "event_dead_letter", "job_done"):
        assert await count(db, f"SELECT count(*) FROM {table}") == 0, table


async def test_a_login_stays_while_one_of_its_tokens_does(db: Database, settings: Settings, runtime: Runtime) -> None:
    async with db.transaction() as session:
        await open_family(session, settings, kind=Kind.CUSTOMER, subject_id=new_id())
        await sql.execute(
            session,
            """INSERT INTO auth_refresh (token_hash, family_id, expires_at, used_at)
               SELECT 'spent', id, now() - interval '2 days', now() - interval '20 days' FROM auth_family""",
        )
    await housekeeping.sweep(runtime)
    assert await count(db, "SELECT count(*) FROM auth_refresh") == 1
    assert await count(db, "SELECT count(*) FROM auth_family") == 1


async def test_events_that_wait_for_a_person_stay(db: Database, runtime: Runtime) -> None:
    async with db.transaction() as session:
        await sql.execute(
            session,
            """INSERT INTO event_dead_letter (id, consumer, seq, stream, type, attempts, created_at, resolved_at)
               SELECT gen_random_uuid(), 'test', n, gen_random_uuid(), 'test.seen', 3, now() - interval '1 year', replayed
               FROM (VALUES (1, NULL), (2, now() - interval '29 days')) AS t (n, replayed)""",
        )
    await housekeeping.sweep(runtime)
    assert await count(db, "SELECT count(*) FROM event_dead_letter") == 2
