"""Events of distribution."""

from datetime import datetime
from uuid import UUID

from app.core.events import Event


class CommissionHeld(Event, frozen=True, kw_only=True, tag="distribution.commission_held"):
    """A paid line earned a commission; the money is held until `releases_at`."""

    commission_id: UUID
    distributor_id: UUID
    order_id: UUID
    line_id: UUID
    level: int
    book: str
    base_fen: int
    rate_bps: int
    amount_fen: int
    releases_at: datetime

    @property
    def stream(self) -> UUID:
        return self.commission_id


class CommissionClawedBack(Event, frozen=True, kw_only=True, tag="distribution.commission_clawed_back"):
    """A refund took `amount_fen` of a commission back; `left_fen` of it remains."""

    commission_id: UUID
    distributor_id: UUID
    order_id: UUID
    line_id: UUID
    refund_id: UUID
    level: int
    book: str
    amount_fen: int
    left_fen: int

    @property
    def stream(self) -> UUID:
        return self.commission_id
