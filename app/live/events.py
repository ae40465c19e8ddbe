"""Events of live rooms: ids and money only. The relay looks up masked names and titles when it announces them."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.events import Event


class RoomStarted(Event, frozen=True, kw_only=True, tag="live.room_started"):
    """A scheduled room went live."""

    room_id: UUID
    store_id: UUID
    host_id: UUID
    started_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class RoomEnded(Event, frozen=True, kw_only=True, tag="live.room_ended"):
    """A room ended, for good."""

    room_id: UUID
    store_id: UUID
    host_id: UUID
    ended_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class ProductPinned(Event, frozen=True, kw_only=True, tag="live.product_pinned"):
    """The host pinned a product of the room's store."""

    room_id: UUID
    store_id: UUID
    product_id: UUID
    pinned_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class ProductUnpinned(Event, frozen=True, kw_only=True, tag="live.product_unpinned"):
    """The pinned product was unpinned."""

    room_id: UUID
    product_id: UUID
    unpinned_at: datetime

    @property
    def stream(self) -> UUID:
        return self.room_id


class MemberMuted(Event, frozen=True, kw_only=True, tag="live.member_muted"):
    """A customer may not speak in the room before `until`; a moment in the past lifts the mute."""

    room_id: UUID
    customer_id: UUID
    until: datetime
    staff_id: UUID

    @property
    def stream(self) -> UUID:
        return self.room_id


class DividedTip(msgspec.Struct, frozen=True, kw_only=True):
    """A tip with its parts, which sum to `amount_fen`; they are frozen, so that no later rule moves money. The store's is
    owed to it only if it `store_is_payee`; else it is a figure, and its money stays with the brand."""

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
    store_is_payee: bool = True

    @property
    def kept_fen(self) -> int:
        """What stays with the brand."""
        return self.brand_fen + (0 if self.store_is_payee else self.store_fen)


class TipPaid(DividedTip, Event, frozen=True, kw_only=True, tag="live.tip_paid"):
    """A tip was paid."""

    placed_at: datetime
    paid_at: datetime

    @property
    def stream(self) -> UUID:
        return self.tip_id


class TipRefunded(DividedTip, Event, frozen=True, kw_only=True, tag="live.tip_refunded"):
    """A refund of a paid tip was agreed: it is owed from now on, and its parts are taken back."""

    refund_id: UUID
    refunded_at: datetime

    @property
    def stream(self) -> UUID:
        return self.tip_id
