"""Where a payee's money stands."""

from uuid import UUID

from app import ledger
from app.core.db import Session
from app.ledger import Standing

__all__ = ["Standing", "standing_of"]


async def standing_of(session: Session, payee_id: UUID) -> Standing:
    """What is held, available, under way, owed back and paid out, by the books: no fen is in two places at once."""
    return await ledger.standing_of(session, payee_id)
