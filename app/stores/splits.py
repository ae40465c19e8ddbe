"""Versions of the performance split."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from app.core import db
from app.core.db import AsyncSession
from app.core.http import Page
from app.core.http.pages import Paging
from app.core.ids import new_id
from app.stores.rules import SplitRule
from app.stores.schemas import SplitPart, SplitRole, SplitRulePut, SplitRuleView


def _parts(row: asyncpg.Record) -> tuple[SplitPart, ...]:
    return tuple(SplitPart(**part) for part in row["parts"])


def _view(row: asyncpg.Record) -> SplitRuleView:
    return SplitRuleView(id=row["id"], parts=_parts(row), valid_from=row["valid_from"], made_by=row["made_by"])


async def add_rule(session: AsyncSession, made_by: UUID, body: SplitRulePut) -> SplitRuleView:
    """A new version, valid for orders placed from now on."""
    row = await db.fetchrow(
        session,
        """INSERT INTO stores_split_rule (id, parts, made_by) VALUES ($1, $2, $3)
           RETURNING id, parts, valid_from, made_by""",
        new_id(),
        msgspec.json.encode([part.model_dump(mode="json") for part in body.parts]).decode(),
        made_by,
    )
    assert row is not None
    return _view(row)


async def list_rules(session: AsyncSession, paging: Paging) -> Page[SplitRuleView]:
    """All versions, newest first."""
    rows = await db.fetch(
        session,
        """SELECT id, parts, valid_from, made_by FROM stores_split_rule
           WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2""",
        paging.after_id("spr"),
        paging.limit + 1,
    )
    return paging.page("spr", [_view(row) for row in rows], [row["id"] for row in rows])


async def rules_until(session: AsyncSession, at: datetime) -> list[SplitRule]:
    """Versions that began by `at`, in order."""
    rows = await db.fetch(
        session,
        "SELECT id, parts, valid_from FROM stores_split_rule WHERE valid_from <= $1 ORDER BY valid_from, id",
        at,
    )
    return [
        SplitRule(row["id"], tuple((SplitRole(part.role), part.bps) for part in _parts(row)), row["valid_from"])
        for row in rows
    ]
