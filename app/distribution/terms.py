"""Versions of the terms."""

from datetime import datetime
from uuid import UUID

import asyncpg

from app.core import db
from app.core.db import AsyncSession
from app.core.http import Page
from app.core.http.pages import Paging
from app.core.ids import new_id
from app.distribution.rules import DEFAULT_HOLD_S, DEFAULT_TERMS, Terms
from app.distribution.schemas import TermsPut, TermsView


def _terms(row: asyncpg.Record) -> Terms:
    return Terms(**dict(row))


async def add_version(session: AsyncSession, made_by: UUID, body: TermsPut) -> TermsView:
    """New terms, valid for orders placed from now on."""
    row = await db.fetchrow(
        session,
        """INSERT INTO distribution_terms (id, level1_bps, level2_bps, hold_s, made_by) VALUES ($1, $2, $3, $4, $5)
           RETURNING id, level1_bps, level2_bps, hold_s, valid_from, made_by""",
        new_id(),
        body.level1_bps,
        body.level2_bps,
        DEFAULT_HOLD_S if body.hold_s is None else body.hold_s,
        made_by,
    )
    assert row is not None
    return TermsView(**dict(row))


async def list_versions(session: AsyncSession, paging: Paging) -> Page[TermsView]:
    """All versions, newest first."""
    rows = await db.fetch(
        session,
        """SELECT id, level1_bps, level2_bps, hold_s, valid_from, made_by FROM distribution_terms
           WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2""",
        paging.after_id("trm"),
        paging.limit + 1,
    )
    return paging.page("trm", [TermsView(**dict(row)) for row in rows], [row["id"] for row in rows])


async def versions_until(session: AsyncSession, at: datetime) -> list[Terms]:
    """Versions that began by `at`, in order."""
    rows = await db.fetch(
        session,
        """SELECT id, level1_bps, level2_bps, hold_s, valid_from, made_by FROM distribution_terms
           WHERE valid_from <= $1 ORDER BY valid_from, id""",
        at,
    )
    return [_terms(row) for row in rows]


async def by_id(session: AsyncSession, terms_id: UUID | None) -> TermsView:
    """The version with that id, or the terms of the house for None."""
    row = await db.fetchrow(
        session,
        """SELECT id, level1_bps, level2_bps, hold_s, valid_from, made_by FROM distribution_terms WHERE id = $1""",
        terms_id,
    )
    return TermsView.model_validate(DEFAULT_TERMS if row is None else _terms(row))
