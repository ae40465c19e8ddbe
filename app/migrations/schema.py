"""The database's schema: bring it up to date, and say whether models and migrations agree."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from app import modules
from app.core.db import ENGINE_URL, Database, Statement, connect_arguments
from app.core.operator_errors import OperatorError

_REVISION = Statement("SELECT version_num FROM alembic_version", str)
_HERE = Path(__file__).resolve().parent


def _metadata() -> MetaData:
    assert modules.tables()  # importing them makes them known
    return SQLModel.metadata


@asynccontextmanager
async def _connected(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection of SQLAlchemy's, which Alembic needs; our own pools are not touched."""
    arguments = connect_arguments(database.settings, "siyu-schema")
    engine = create_async_engine(ENGINE_URL, connect_args=arguments, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    return config


@cache
def head() -> str:
    """The newest revision in the code."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision
    return revision


@cache
def _history() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions())


def serves(revision: str | None) -> bool:
    """Whether this code can run on a database at that revision: its own, or a later one that a rollout has brought.

    The history is one line that only grows at its end, so a revision that this code does not know comes after its own.
    """
    return revision is not None and (revision == head() or (revision not in _history() and not _is_undated(revision)))


def _is_undated(revision: str) -> bool:
    """Whether a revision is one of the numbered ones before 0.2.0, from which no migration leads here."""
    return re.match(r"\d{8}_", revision) is None


class TooOld(OperatorError):
    """The database was made by a version before 0.2.0, whose history of migrations was another."""


async def upgrade(database: Database) -> None:
    """Run the migrations that are missing. Safe to call from several processes at once. Raises TooOld."""

    def run(connection: Connection) -> None:
        before = MigrationContext.configure(connection).get_current_revision()
        if before is not None and _is_undated(before):
            raise TooOld(f"the database is at {before}, of a version before 0.2.0: make a new one")
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with _connected(database) as connection:
        await connection.run_sync(run)
        await connection.commit()


async def current(database: Database) -> str | None:
    """The revision that the database is at; None when it was never migrated."""
    try:
        async with database.transaction(reserved=True) as session:
            return await _REVISION.first(session)
    except asyncpg.UndefinedTableError:
        return None


async def drift(database: Database) -> list[str]:
    """What differs between the models and the migrated database; empty when they agree."""

    def compare(connection: Connection) -> list[str]:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_object": lambda _, name, *__: not str(name).startswith("pgqueuer")},
        )
        return [repr(difference) for difference in compare_metadata(context, _metadata())]

    async with _connected(database) as connection:
        return await connection.run_sync(compare)
