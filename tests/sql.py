"""SQL as tests write it: with the driver's numbers, on tables of the product or of their own."""

from collections.abc import Iterable
from typing import Any

import asyncpg

from app.core.db import Session, savepoint

__all__ = ["execute", "executemany", "fetch", "fetchrow", "fetchval", "savepoint"]


async def fetch(session: Session, sql: str, *args: Any) -> list[asyncpg.Record]:
    return await session.fetch(sql, args, custom_plan=True)


async def fetchrow(session: Session, sql: str, *args: Any) -> asyncpg.Record | None:
    return await session.fetch_first(sql, args, custom_plan=True)


async def fetchval(session: Session, sql: str, *args: Any) -> Any:
    row = await fetchrow(session, sql, *args)
    return None if row is None else row[0]


async def execute(session: Session, sql: str, *args: Any) -> int:
    return await session.execute(sql, args, custom_plan=True)


async def executemany(session: Session, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
    await session.execute_many(sql, list(rows))
