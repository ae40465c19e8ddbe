"""Places: opened by calls from stores, which alone know what a store is."""

from enum import StrEnum
from uuid import UUID

from app.core.db import Session, Statement

BRAND_BOOK = "brand"


class PlaceStatus(StrEnum):
    """Whether something is sold from a place."""

    OPEN = "open"
    CLOSED = "closed"


_OPEN = Statement(
    """INSERT INTO mall_place (id, name, scope_path, book, status)
       VALUES (:place_id, :name, :scope_path, :book, 'open')"""
)
_UPDATE = Statement("UPDATE mall_place SET name = :name, status = :status WHERE id = :place_id")


async def open_place(session: Session, *, place_id: UUID, name: str, scope_path: str) -> None:
    """Stock may lie there and orders be sold from there, from now on, in the brand's own book."""
    await _OPEN.run(session, place_id=place_id, name=name, scope_path=scope_path, book=BRAND_BOOK)


async def update_place(session: Session, place_id: UUID, *, name: str, is_open: bool) -> None:
    """Rename a place, or stop (and resume) selling there. Its path never changes: orders have it frozen."""
    status = PlaceStatus.OPEN if is_open else PlaceStatus.CLOSED
    await _UPDATE.run(session, place_id=place_id, name=name, status=status)
