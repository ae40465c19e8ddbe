"""A database for each test: this process's own, emptied after each, or a new one where a test changed the schema."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from app.core.db import asyncpg_url
from app.core.settings import Settings


@asynccontextmanager
async def maintenance(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(asyncpg_url(str(url)))
    try:
        yield connection
    finally:
        await connection.close()


def named(settings: Settings, database: str) -> Settings:
    """The same settings, with another database of the same server."""
    assert settings.database_url
    url = make_url(settings.database_url).set(database=database).render_as_string(hide_password=False)
    return settings.model_copy(update={"database_url": url})


async def clone(settings: Settings, template: str, name: str) -> None:
    assert settings.database_url
    async with maintenance(settings.database_url) as admin:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")


async def drop(settings: Settings, name: str) -> None:
    assert settings.database_url
    async with maintenance(settings.database_url) as admin:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


# What the migrations left, how to bring it back, and a note of whoever changes the schema.
_KEEP = """
CREATE SCHEMA kept;
DO $$
DECLARE name text; filled boolean;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', name, name); END IF;
    END LOOP;
END $$;
CREATE FUNCTION kept.empty() RETURNS void LANGUAGE plpgsql AS $$
DECLARE name text; filled boolean;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN EXECUTE format('DELETE FROM public.%I', name); END IF;
    END LOOP;
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'kept'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM kept.%I', name, name);
    END LOOP;
    PERFORM setval(s.oid, 1, false) FROM pg_class s
    WHERE s.relnamespace = 'public'::regnamespace AND s.relkind = 'S' AND pg_sequence_last_value(s.oid) IS NOT NULL;
END $$;
CREATE SCHEMA kept_log;
CREATE TABLE kept_log.changes (tag text);
CREATE FUNCTION kept.note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kept_log.changes VALUES (tg_tag);
END $$;
CREATE EVENT TRIGGER kept_note ON ddl_command_end EXECUTE FUNCTION kept.note();
"""
_TURN_OUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_IS_CHANGED = """
SELECT EXISTS (SELECT FROM kept_log.changes) OR EXISTS (
    SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database())
"""


class OwnDatabase:
    """The database of one process of the suite, with a connection to empty it by."""

    def __init__(self, settings: Settings, template: str) -> None:
        self._settings = settings
        self._template = template
        self._name: str | None = None
        self._admin: asyncpg.Connection[asyncpg.Record] | None = None

    async def ready(self) -> Settings:
        """Settings that name a database as the migrations leave it."""
        if self._name is None:
            self._name = f"siyu_test_{uuid4().hex[:10]}"
            await clone(self._settings, self._template, self._name)
            with suppress(asyncpg.PostgresError):  # a user who may not leave out triggers gets a new one each time
                self._admin = await asyncpg.connect(asyncpg_url(str(named(self._settings, self._name).database_url)))
                await self._admin.execute(f"SET session_replication_role = replica; SET lock_timeout = '2s'; {_KEEP}")
        return named(self._settings, self._name)

    async def empty(self) -> None:
        """Take out what a test left; drop the database when it is not as it was, or cannot be emptied."""
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            if self._admin is not None:
                await self._admin.execute(_TURN_OUT)
                if not await self._admin.fetchval(_IS_CHANGED):
                    await self._admin.execute("SELECT kept.empty()")
                    return
        await self.close()

    async def close(self) -> None:
        if self._admin is not None:
            self._admin.terminate()
            self._admin = None
        if self._name is not None:
            await drop(self._settings, self._name)
            self._name = None
