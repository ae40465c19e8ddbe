"""Facts of live rooms. Ids and money only; the relay looks up masked names and titles when it tells a room."""

from datetime import datetime
from uuid import UUID

from app.core.events import Fact


class RoomStarted(Fact, frozen=True, kw_only=True, tag="live.room_started"):
    """A scheduled room went live."""

    room_id: UUID
    store_id: UUID
    host_id: UUID
    started_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class RoomEnded(Fact, frozen=True, kw_only=True, tag="live.room_ended"):
    """A room ended, for good."""

    room_id: UUID
    store_id: UUID
    host_id: UUID
    ended_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class ProductPinned(Fact, frozen=True, kw_only=True, tag="live.product_pinned"):
    """The host shows a product of the room's store."""

    room_id: UUID
    store_id: UUID
    product_id: UUID
    pinned_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class ProductUnpinned(Fact, frozen=True, kw_only=True, tag="live.product_unpinned"):
    """The product that was shown is shown no more."""

    room_id: UUID
    product_id: UUID
    unpinned_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class MemberMuted(Fact, frozen=True, kw_only=True, tag="live.member_muted"):
    """A customer may not speak in the room until then; a moment in the past lifts it."""

    room_id: UUID
    customer_id: UUID
    until: datetime
    staff_id: UUID

    @property
    def stream(self) -> UUID:
        return self.room_id


class TipPaid(Fact, frozen=True, kw_only=True, tag="live.tip_paid"):
    """A tip's money landed. The parts sum to `amount_fen`; they are frozen here, so that a change of settings between
    payment and allotment moves no money."""

    tip_id: UUID
    room_id: UUID
    store_id: UUID
    host_id: UUID
    customer_id: UUID
    book: str
    amount_fen: int
    host_fen: int
    store_fen: int
    brand_fen: int
    placed_at: datetime
    paid_at: datetime

    @property
    def stream(self) -> UUID:
        return self.tip_id
