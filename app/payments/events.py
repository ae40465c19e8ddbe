"""Events of payments."""

from uuid import UUID

from app.core.events import Event
from app.payments.schemas import RefundStage


class RefundSucceeded(Event, frozen=True, kw_only=True, tag="payments.refund_succeeded"):
    """WeChat paid a refund out. `subject_id` is the order or tip whose charge it was."""

    refund_id: UUID
    charge_id: UUID
    subject_kind: str
    subject_id: UUID
    amount_fen: int

    @property
    def stream(self) -> UUID:
        return self.refund_id


class RefundStuck(Event, frozen=True, kw_only=True, tag="payments.refund_stuck"):
    """WeChat could not pay a refund out (abnormal, closed) or does not take it (refused): it stays owed, a person has to
    act."""

    refund_id: UUID
    charge_id: UUID
    subject_kind: str
    subject_id: UUID
    amount_fen: int
    stage: RefundStage

    @property
    def stream(self) -> UUID:
        return self.refund_id
