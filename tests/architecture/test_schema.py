"""One line of migrations, equal to the models; the queue's own tables as its library wants them."""

import asyncpg
from alembic.script import ScriptDirectory
from pgqueuer import PgQueuer

from app import schema
from app.core.db import Database, asyncpg_url


def test_there_is_one_head_and_one_root() -> None:
    scripts = ScriptDirectory.from_config(schema.alembic_config())
    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
    assert [script for script in scripts.walk_revisions() if script.is_merge_point or script.is_branch_point] == []


async def test_models_and_migrations_agree(db: Database) -> None:
    assert await schema.current(db) == schema.head()
    assert await schema.drift(db) == []


async def test_migrating_a_migrated_database_changes_nothing(db: Database) -> None:
    await schema.upgrade(db)
    assert await schema.current(db) == schema.head()


async def test_the_queue_finds_its_tables(db: Database) -> None:
    connection = await asyncpg.connect(asyncpg_url(db.url))
    try:
        await PgQueuer.from_asyncpg_connection(connection).qm.verify_structure()
    finally:
        await connection.close()
