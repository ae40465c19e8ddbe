"""The database's schema: bring it up to date, and say whether models and migrations agree."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlmodel import SQLModel

import app.tables  # noqa: F401  the tables make themselves known
from app.core.db import Database

_ROOT = Path(__file__).resolve().parent.parent


def alembic_config() -> Config:
    return Config(str(_ROOT / "alembic.ini"))


@cache
def head() -> str:
    """The newest revision in the code."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision
    return revision


def serves(revision: str | None) -> bool:
    """Whether this code can run on a database at that revision: its own, or a later one that a rollout has brought."""
    return revision is not None and revision >= head()


async def upgrade(database: Database) -> None:
    """Run the migrations that are missing. Safe to call from several processes at once."""

    def run(connection: Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with database.engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()


async def current(database: Database) -> str | None:
    """The revision that the database is at."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())


async def drift(database: Database) -> list[str]:
    """What differs between the models and the migrated database; empty when they agree."""

    def compare(connection: Connection) -> list[str]:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_object": lambda _, name, *__: not str(name).startswith("pgqueuer")},
        )
        return [repr(difference) for difference in compare_metadata(context, SQLModel.metadata)]

    async with database.engine.connect() as connection:
        return await connection.run_sync(compare)
