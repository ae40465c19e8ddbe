"""Hand-written SQL inside the session's transaction: the four ways in which the bare driver bites, held shut."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from app.core.db import Database, Session, Statement, TransactionFailed, asyncpg_url, connect_arguments
from app.core.settings import Settings
from tests import sql
from tests.audit import becomes


@pytest.fixture(autouse=True)
async def notes(db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(session, "CREATE TABLE note (word text PRIMARY KEY)")


async def write(session: Session, word: str) -> None:
    await sql.execute(session, "INSERT INTO note VALUES ($1)", word)


async def words(db: Database) -> list[str]:
    """What is committed, seen by a connection of its own."""
    connection = await asyncpg.connect(asyncpg_url(db.url))
    try:
        return [row["word"] for row in await connection.fetch("SELECT word FROM note ORDER BY word")]
    finally:
        await connection.close()


class Refused(Exception):
    pass


async def test_a_first_statement_is_already_inside_the_transaction(db: Database) -> None:
    with pytest.raises(Refused):
        async with db.transaction() as session:
            await write(session, "first")
            assert await words(db) == [], "not committed by itself"
            raise Refused
    assert await words(db) == []
    async with db.transaction() as session:
        await write(session, "kept")
    assert await words(db) == ["kept"]


async def test_a_write_in_a_savepoint_is_undone_with_it(db: Database) -> None:
    async with db.transaction() as session:
        await write(session, "before")
        with pytest.raises(Refused):
            async with sql.savepoint(session):
                await write(session, "inside")
                raise Refused
        await write(session, "after")
    assert await words(db) == ["after", "before"]


async def test_a_savepoint_that_is_the_first_thing_of_a_transaction(db: Database) -> None:
    with pytest.raises(Refused):
        async with db.transaction() as session:
            async with sql.savepoint(session):
                await write(session, "inside")
            raise Refused
    assert await words(db) == []


async def test_savepoints_inside_savepoints(db: Database) -> None:
    async with db.transaction() as session:
        async with sql.savepoint(session):
            await write(session, "outer")
            with pytest.raises(Refused):
                async with sql.savepoint(session):
                    await write(session, "inner")
                    raise Refused
            await write(session, "outer again")
        with pytest.raises(Refused):
            async with sql.savepoint(session):
                async with sql.savepoint(session):
                    await write(session, "released, then undone from above")
                raise Refused
    assert await words(db) == ["outer", "outer again"]


async def test_a_failed_statement_in_a_savepoint_leaves_the_transaction_good(db: Database) -> None:
    async with db.transaction() as session:
        await write(session, "one")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with sql.savepoint(session):
                await write(session, "one")
        await write(session, "two")
    assert await words(db) == ["one", "two"]


async def test_an_error_swallowed_inside_a_savepoint_fails_the_savepoint(db: Database) -> None:
    async with db.transaction() as session:
        await write(session, "one")
        with pytest.raises(TransactionFailed):
            async with sql.savepoint(session):
                with pytest.raises(asyncpg.UniqueViolationError):
                    await write(session, "one")
    assert await words(db) == ["one"]


async def test_an_error_swallowed_in_hand_written_sql_refuses_the_commit(db: Database) -> None:
    with pytest.raises(TransactionFailed):
        async with db.transaction() as session:
            await write(session, "one")
            with pytest.raises(asyncpg.UniqueViolationError):
                await write(session, "one")
    assert await words(db) == []


async def test_a_task_holds_one_transaction_and_others_their_own(db: Database) -> None:
    async with db.transaction() as session:
        with pytest.raises(RuntimeError, match="already has a transaction"):
            async with db.transaction():
                pass
        await write(session, "outer")

    async def alone(word: str) -> None:
        async with db.transaction() as own:
            await write(own, word)

    await asyncio.gather(*(alone(uuid4().hex) for _ in range(30)))
    assert len(await words(db)) == 31


async def test_alone_each_statement_lasts_and_plans_as_it_says(db: Database) -> None:
    mode = Statement("SELECT current_setting('plan_cache_mode')", str)
    custom = Statement("SELECT current_setting('plan_cache_mode')", str, custom_plan=True)
    with pytest.raises(Refused):
        async with db.alone() as session:
            await write(session, "kept")
            raise Refused
    assert await words(db) == ["kept"]
    for _ in range(2):
        async with db.alone() as session:
            assert await mode.one(session) == "force_generic_plan"
            assert await custom.one(session) == "force_custom_plan"
    # The connection keeps the last kind, and a transaction on it still plans as its statements say.
    async with db.transaction() as session:
        assert await mode.one(session) == "force_generic_plan"
        assert await custom.one(session) == "force_custom_plan"
    async with db.transaction() as session:
        assert await custom.one(session) == "force_custom_plan"
    with pytest.raises(RuntimeError, match="already has a transaction"):
        async with db.alone(), db.alone():
            pass


async def test_a_cancelled_block_commits_nothing_and_gives_its_connection_back(db: Database) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with db.transaction() as session:
            await write(session, "half")
            inside.set()
            await sql.execute(session, "SELECT pg_sleep(60)")

    task = asyncio.create_task(hang())
    await inside.wait()
    # PostgreSQL passes over a cancellation that comes before its statement.
    await becomes(db, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await words(db) == []
    async with asyncio.timeout(20):
        await asyncio.gather(*(_ping(db) for _ in range(40)))


async def _ping(db: Database) -> None:
    async with db.transaction() as session:
        assert await sql.fetchval(session, "SELECT 1") == 1


async def test_counts_and_many_rows(db: Database) -> None:
    async with db.transaction() as session:
        await sql.executemany(session, "INSERT INTO note VALUES ($1)", [("a",), ("b",), ("c",)])
        assert await sql.execute(session, "UPDATE note SET word = word || '!'") == 3
        assert await sql.execute(session, "DELETE FROM note WHERE word = 'none'") == 0
        assert await sql.execute(session, "CREATE TABLE another (n int)") == 0
        assert await sql.fetchrow(session, "SELECT 1 WHERE false") is None
        assert await sql.fetchval(session, "SELECT 1 WHERE false") is None
    assert await words(db) == ["a!", "b!", "c!"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgresql://siyu:p%40ss@db:5433/siyu", "postgresql://siyu:p%40ss@db:5433/siyu"),
        ("postgres://db/siyu?sslmode=require", "postgresql://db/siyu?sslmode=require"),
        ("postgresql+asyncpg://db/siyu?ssl=require", "postgresql://db/siyu?sslmode=require"),
        (
            "postgresql://db/siyu?ssl=verify-full&sslrootcert=/ca",
            "postgresql://db/siyu?sslmode=verify-full&sslrootcert=%2Fca",
        ),
    ],
)
def test_the_url_says_what_the_driver_understands(given: str, taken: str) -> None:
    assert asyncpg_url(given) == taken


@pytest.mark.parametrize("word", ["sslmode", "ssl"])
async def test_every_connection_asks_for_tls_when_the_url_does(settings: Settings, word: str) -> None:
    request: list[bytes] = []

    async def without_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request.append(await reader.readexactly(8))
        writer.write(b"N")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(without_tls, "127.0.0.1", 0)
    url = f"postgresql://siyu@127.0.0.1:{server.sockets[0].getsockname()[1]}/siyu?{word}=require"
    database = Database(settings.model_copy(update={"database_url": url}), connections=1)
    with pytest.raises(ConnectionError, match="SSL"):
        await _ping(database)
    with pytest.raises(ConnectionError, match="SSL"):
        await asyncpg.connect(**connect_arguments(database.settings, "siyu-listener"))
    assert [int.from_bytes(request[4:]) for request in request] == [80877103] * 2, "PostgreSQL's SSLRequest"
    await database.close()
    server.close()
    await server.wait_closed()


async def test_an_error_of_the_database_does_not_quote_the_row(db: Database) -> None:
    async with db.transaction() as session:
        await sql.execute(
            session, "ALTER TABLE note ADD CONSTRAINT short CHECK (length(word) < 5), ADD other text UNIQUE"
        )
        await sql.execute(session, "INSERT INTO note VALUES ('one', '13812345678')")
    for word in ("13812345678", "two"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
            async with db.transaction() as session:
                await sql.execute(session, "INSERT INTO note VALUES ($1, '13812345678')", word)
        assert "13812345678" not in str(refused.value)
        assert refused.value.constraint_name in ("short", "note_other_key")
