"""How Alembic reaches the database: the URL is handed over by `app.migrations.schema` or read from SIYU_DATABASE_URL.

`alembic -x module=mall revision --autogenerate` looks at one module's tables only.
"""

import asyncio
import os
from typing import Any

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from app import modules
from app.core.db import ENGINE_URL, asyncpg_url

assert modules.tables(), "importing them makes them known"

CORE = ("event", "auth_", "job_", "idempotency_")


def include_object(item: Any, name: str | None, kind: str, *_: Any) -> bool:
    """pgqueuer's tables are made by our migration from its own definition and are compared by its own check."""
    table = name if kind == "table" else getattr(getattr(item, "table", None), "name", "")
    if (table or "").startswith("pgqueuer"):
        return False
    module = context.get_x_argument(as_dictionary=True).get("module")
    if module is None:
        return True
    return (table or "").startswith(CORE if module == "core" else f"{module}_")


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        include_object=include_object,
        compare_type=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        # Two processes that start at once migrate one after the other.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(72180391)")
        context.run_migrations()


async def main() -> None:
    url = context.config.attributes.get("database_url") or os.environ["SIYU_DATABASE_URL"]
    engine = create_async_engine(ENGINE_URL, connect_args={"dsn": asyncpg_url(url)}, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(main())
