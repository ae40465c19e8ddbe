"""Tables of live rooms. The counts of the moment live in Redis."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, moment, text
from app.core.versions import valid_from


class LiveRoom(Table, table=True):
    """A room: one broadcast of one store. `scope_path` is the store's path when the room was opened."""

    __tablename__ = "live_room"
    __table_args__ = (
        CheckConstraint("kind IN ('rtmp', 'plugin', 'channels')", name="kind_known"),
        CheckConstraint("status IN ('scheduled', 'live', 'paused', 'ended')", name="status_known"),
        CheckConstraint("(status = 'scheduled') = (started_at IS NULL) OR status = 'ended'", name="started_once"),
        CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name="ended_once"),
        CheckConstraint("length(title) BETWEEN 1 AND 60", name="title_length"),
        Index("live_room_store_idx", "store_id", "id"),
        Index("live_room_scope_idx", "scope_path", "id", postgresql_ops={"scope_path": "text_pattern_ops"}),
        Index("live_room_ended_idx", "ended_at", postgresql_where=sql("ended_at IS NOT NULL")),
        Index("live_room_open_idx", "status", "id", postgresql_where=sql("status <> 'ended'")),
    )

    id: UUID = Field(primary_key=True)
    store_id: UUID
    host_id: UUID
    title: str = text()
    kind: str = text()
    status: str = text()
    scope_path: str = text()
    touchpoint_id: UUID
    touchpoint_path: str = text()
    starts_at: datetime | None = moment(default=None)
    started_at: datetime | None = moment(default=None)
    ended_at: datetime | None = moment(default=None)
    pinned_product_id: UUID | None = None
    version: int = 1
    created_at: datetime = created_at()


class LiveShelf(Table, table=True):
    """A product that the room offers, in the host's order."""

    __tablename__ = "live_shelf"

    room_id: UUID = Field(foreign_key="live_room.id", primary_key=True)
    product_id: UUID = Field(primary_key=True)
    position: int
    added_at: datetime = created_at()


class LiveMute(Table, table=True):
    """Until when a customer may not speak in a room."""

    __tablename__ = "live_mute"

    room_id: UUID = Field(foreign_key="live_room.id", primary_key=True)
    customer_id: UUID = Field(primary_key=True)
    until: datetime = moment()
    by_staff: UUID


class LiveVisit(Table, table=True):
    """A customer has been in a room: the unique viewers of its report."""

    __tablename__ = "live_visit"

    room_id: UUID = Field(foreign_key="live_room.id", primary_key=True)
    customer_id: UUID = Field(primary_key=True)
    first_at: datetime = created_at()


class LiveTip(Table, table=True):
    """A tip. unpaid → paid; unpaid → closed; closed → refunded, when its money lands late; paid → refunded by staff.

    Its parts are there once it was paid in time; the store's is owed to it only if it `store_is_payee`."""

    __tablename__ = "live_tip"
    __table_args__ = (
        CheckConstraint("amount_fen BETWEEN 1 AND 5000000", name="amount_bounded"),
        CheckConstraint("length(message) <= 60", name="message_length"),
        CheckConstraint("status IN ('unpaid', 'paid', 'closed', 'refunded')", name="status_known"),
        CheckConstraint("(status IN ('paid', 'refunded')) = (paid_at IS NOT NULL)", name="paid_once"),
        CheckConstraint("(status = 'refunded') = (refund_id IS NOT NULL)", name="refunded_once"),
        CheckConstraint("host_fen + store_fen + brand_fen = amount_fen", name="parts_are_whole"),
        CheckConstraint("(refunded_by IS NULL) = (refund_reason IS NULL)", name="refunded_for_a_reason"),
        UniqueConstraint("charge_id"),
        UniqueConstraint("refund_id"),
        Index("live_tip_room_idx", "room_id", "id"),
        Index("live_tip_unpaid_idx", "expires_at", postgresql_where=sql("status = 'unpaid'")),
    )

    id: UUID = Field(primary_key=True)
    room_id: UUID = Field(foreign_key="live_room.id")
    host_id: UUID
    store_id: UUID
    customer_id: UUID
    book: str = text()
    amount_fen: int = fen()
    message: str | None = text(default=None)
    status: str = text()
    charge_id: UUID
    refund_id: UUID | None = None
    host_fen: int | None = fen(nullable=True)
    store_fen: int | None = fen(nullable=True)
    brand_fen: int | None = fen(nullable=True)
    store_is_payee: bool | None = None
    refund_reason: str | None = text(default=None)
    refunded_by: UUID | None = None
    placed_at: datetime = created_at()
    expires_at: datetime = moment()
    paid_at: datetime | None = moment(default=None)


class LiveTaking(Table, table=True):
    """What one order, tip or refund of either brought to a room, written once by the consumer. Refunds are negative."""

    __tablename__ = "live_taking"
    __table_args__ = (
        CheckConstraint("kind IN ('order', 'refund', 'tip', 'tip_refund')", name="kind_known"),
        CheckConstraint("(kind IN ('refund', 'tip_refund')) = (amount_fen < 0) OR amount_fen = 0", name="sign_of_kind"),
    )

    room_id: UUID = Field(primary_key=True)
    kind: str = text(primary_key=True)
    source_id: UUID = Field(primary_key=True)
    amount_fen: int = fen()


class LiveTally(Table, table=True):
    """What the gateways counted for a room, copied from Redis once a minute; numbers only grow."""

    __tablename__ = "live_tally"

    room_id: UUID = Field(foreign_key="live_room.id", primary_key=True)
    peak_viewers: int = 0
    likes: int = 0
    chats: int = 0


class LiveTipRule(Table, table=True):
    """A version of how tips are divided; the newest before a tip counts. The brand keeps what both parts leave."""

    __tablename__ = "live_tip_rule"
    __table_args__ = (
        CheckConstraint("host_bps >= 0 AND store_bps >= 0 AND host_bps + store_bps <= 10000", name="at_most_whole"),
    )

    id: UUID = Field(primary_key=True)
    host_bps: int
    store_bps: int
    valid_from: datetime = valid_from()
    created_by: UUID
