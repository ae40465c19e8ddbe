"""A database for each test: this process's own, emptied after each, or a new one where a test changed the schema."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


# What the schema is made of: whoever adds, drops or alters anything changes one of these.
_FINGERPRINT = """
SELECT md5(string_agg(made, ',' ORDER BY made)) FROM (
    SELECT c.oid || c.relname || c.relchecks || c.relhastriggers || c.relnatts AS made FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'p' || oid || md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 't' || oid || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT 'k' || oid FROM pg_constraint
    UNION ALL SELECT 'n' || oid FROM pg_namespace
    UNION ALL SELECT 'a' || attrelid || attname || atttypid || attnotnull FROM pg_attribute
    JOIN pg_class c ON c.oid = attrelid AND c.relnamespace = 'public'::regnamespace AND attnum > 0
    UNION ALL SELECT 'd' || coalesce(array_to_string(setconfig, ','), '') FROM pg_db_role_setting
) AS schema
"""
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
"""
_TURN_OUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class OwnDatabase:
    """The database of one process of the suite."""

    def __init__(self, settings: Settings, template: str) -> None:
        self._settings = settings
        self._template = template
        self._name: str | None = None
        self._fingerprint = ""

    async def ready(self) -> Settings:
        """Settings that name a database as the migrations leave it."""
        if self._name is None:
            self._name = f"siyu_test_{uuid4().hex[:10]}"
            await clone(self._settings, self._template, self._name)
            async with maintenance(str(named(self._settings, self._name).database_url)) as admin:
                await admin.execute(_KEEP)
                self._fingerprint = await admin.fetchval(_FINGERPRINT)
        return named(self._settings, self._name)

    async def empty(self) -> None:
        """Take out what a test left; drop the database when it is not as it was, or cannot be emptied."""
        if self._name is None:
            return
        try:
            async with maintenance(str(named(self._settings, self._name).database_url)) as admin:
                await admin.execute(_TURN_OUT)
                if await admin.fetchval(_FINGERPRINT) == self._fingerprint:
                    await admin.execute("SET session_replication_role = replica; SET lock_timeout = '2s'")
                    await admin.execute("SELECT kept.empty()")
                    return
        except (asyncpg.PostgresError, OSError):
            pass  # a user who may not leave out triggers, or a database that a test took away
        await self.close()

    async def close(self) -> None:
        if self._name is not None:
            await drop(self._settings, self._name)
            self._name = None
