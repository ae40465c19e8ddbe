"""Promoters and bonds: written by calls from stores and distribution."""

from datetime import datetime
from uuid import UUID

from app.attribution.schemas import BondKind, PromoterKind
from app.core import db
from app.core.db import AsyncSession
from app.core.ids import new_id


async def register_promoter(
    session: AsyncSession,
    *,
    promoter_id: UUID,
    kind: PromoterKind,
    person_id: UUID | None,
    upline_id: UUID | None,
    store_id: UUID | None,
    scope_path: str,
) -> None:
    """From now on `promoter_id` may be credited. `person_id` is the party's own customer account, if it has one."""
    await db.execute(
        session,
        """INSERT INTO attribution_promoter (id, promoter_id, kind, person_id, upline_id, store_id, scope_path)
           VALUES ($1, $2, $3, $4, $5, $6, $7)""",
        new_id(),
        promoter_id,
        kind.value,
        person_id,
        upline_id,
        store_id,
        scope_path,
    )


async def end_promoter(session: AsyncSession, promoter_id: UUID) -> None:
    """From now on nothing new is credited to it; frozen orders keep their credit."""
    await db.execute(
        session,
        """UPDATE attribution_promoter SET valid_to = clock_timestamp()
           WHERE promoter_id = $1 AND valid_to IS NULL""",
        promoter_id,
    )


async def move_promoter(session: AsyncSession, promoter_id: UUID, *, store_id: UUID | None, scope_path: str) -> None:
    """Another store from now on; does nothing when the promoter is not valid."""
    ended = await db.execute(
        session,
        """UPDATE attribution_promoter SET valid_to = clock_timestamp()
           WHERE promoter_id = $1 AND valid_to IS NULL""",
        promoter_id,
    )
    if not ended:
        return
    await db.execute(
        session,
        """INSERT INTO attribution_promoter (id, promoter_id, kind, person_id, upline_id, store_id, scope_path)
           SELECT $2, promoter_id, kind, person_id, upline_id, $3, $4 FROM attribution_promoter
           WHERE promoter_id = $1 ORDER BY valid_from DESC LIMIT 1""",
        promoter_id,
        new_id(),
        store_id,
        scope_path,
    )


async def bound_store(session: AsyncSession, customer_id: UUID) -> UUID | None:
    """The store that a customer belongs to by his own choice."""
    store_id: UUID | None = await db.fetchval(
        session,
        "SELECT store_id FROM attribution_bond WHERE customer_id = $1 AND kind = 'store' AND ended_at IS NULL",
        customer_id,
    )
    return store_id


async def bind(
    session: AsyncSession,
    *,
    customer_id: UUID,
    kind: BondKind,
    promoter_id: UUID | None,
    store_id: UUID | None,
    protected_until: datetime | None = None,
) -> None:
    """Tie a customer anew: the open bond of this kind ends, this one begins. A store bond has no promoter."""
    # Two first bonds at once have no row yet that one could wait for.
    await db.execute(
        session, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"bond:{customer_id}:{kind.value}"
    )
    await db.execute(
        session,
        """UPDATE attribution_bond SET ended_at = clock_timestamp()
           WHERE customer_id = $1 AND kind = $2 AND ended_at IS NULL""",
        customer_id,
        kind.value,
    )
    await db.execute(
        session,
        """INSERT INTO attribution_bond (id, customer_id, kind, promoter_id, store_id, protected_until)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        new_id(),
        customer_id,
        kind.value,
        promoter_id,
        store_id,
        protected_until,
    )
