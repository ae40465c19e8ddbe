"""Places: opened by calls from stores, which alone know what a store is."""

from uuid import UUID

from app.core import db
from app.core.db import AsyncSession

BRAND_BOOK = "brand"


async def open_place(session: AsyncSession, *, place_id: UUID, name: str, scope_path: str) -> None:
    """Stock may lie there and orders be sold from there, from now on, in the brand's own book."""
    await db.execute(
        session,
        "INSERT INTO mall_place (id, name, scope_path, book, status) VALUES ($1, $2, $3, $4, 'open')",
        place_id,
        name,
        scope_path,
        BRAND_BOOK,
    )


async def update_place(session: AsyncSession, place_id: UUID, *, name: str, is_open: bool) -> None:
    """Rename a place, or stop (and resume) selling there. Its path never changes: orders have it frozen."""
    await db.execute(
        session,
        "UPDATE mall_place SET name = $2, status = $3 WHERE id = $1",
        place_id,
        name,
        "open" if is_open else "closed",
    )
