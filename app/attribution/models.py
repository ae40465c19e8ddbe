"""Tables of attribution."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy import text as sql
from sqlmodel import Field

from app.core.tables import Table, created_at, moment, text
from app.core.versions import valid_from


class Promoter(Table, table=True):
    """Who may be credited, while valid. A promoter who moves gets a new row; old orders keep their credit."""

    __tablename__ = "attribution_promoter"
    __table_args__ = (
        CheckConstraint("kind IN ('distributor', 'guide')", name="kind"),
        CheckConstraint("upline_id <> promoter_id", name="upline_is_another"),
        Index("attribution_promoter_current_key", "promoter_id", unique=True, postgresql_where=sql("valid_to IS NULL")),
        Index("attribution_promoter_person_idx", "person_id", postgresql_where=sql("valid_to IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    promoter_id: UUID
    kind: str = text()
    person_id: UUID | None = None
    upline_id: UUID | None = None
    store_id: UUID | None = None
    valid_from: datetime = created_at()
    valid_to: datetime | None = moment(default=None)


class StaffPerson(Table, table=True):
    """The customer account of somebody who works for the brand now."""

    __tablename__ = "attribution_staff"

    person_id: UUID = Field(primary_key=True)
    since: datetime = created_at()


class TouchpointRow(Table, table=True):
    """A link, a code or a live room. A room's visits count from `live_from` on if they were made before `live_to`."""

    __tablename__ = "attribution_touchpoint"
    __table_args__ = (
        CheckConstraint("kind IN ('share', 'room')", name="kind"),
        Index("attribution_touchpoint_room_key", "room_id", unique=True, postgresql_where=sql("kind = 'room'")),
        Index("attribution_touchpoint_distributor_idx", "distributor_id", "id"),
    )

    id: UUID = Field(primary_key=True)
    kind: str = text()
    distributor_id: UUID | None = None
    guide_id: UUID | None = None
    sharer_id: UUID | None = None
    product_id: UUID | None = None
    room_id: UUID | None = None
    store_id: UUID | None = None
    via_id: UUID | None = Field(None, foreign_key="attribution_touchpoint.id")
    live_from: datetime | None = moment(default=None)
    live_to: datetime | None = moment(default=None)
    created_at: datetime = created_at()


class Shelf(Table, table=True):
    """A product on a room's shelf, while it is there: what a visit to the room can be credited for."""

    __tablename__ = "attribution_shelf"

    room_id: UUID = Field(primary_key=True)
    product_id: UUID = Field(primary_key=True)
    shelved_at: datetime = created_at()
    removed_at: datetime | None = moment(default=None)


class Touch(Table, table=True):
    """A customer's visit to a touchpoint. The parties are copied, so that later changes do not rewrite it;
    `guide_store_id` is where the guide worked then."""

    __tablename__ = "attribution_touch"
    __table_args__ = (
        Index("attribution_touch_customer_idx", "customer_id", "touched_at"),
        Index("attribution_touch_touchpoint_idx", "touchpoint_id", "first"),
        Index("attribution_touch_first_key", "customer_id", unique=True, postgresql_where=sql("first")),
    )

    id: UUID = Field(primary_key=True)
    customer_id: UUID
    touchpoint_id: UUID
    distributor_id: UUID | None = None
    guide_id: UUID | None = None
    guide_store_id: UUID | None = None
    room_id: UUID | None = None
    store_id: UUID | None = None
    product_id: UUID | None = None
    first: bool
    entry: str | None = text(default=None)
    touched_at: datetime = created_at()


class Bond(Table, table=True):
    """A lasting tie of a customer to a distributor; one at a time."""

    __tablename__ = "attribution_bond"
    __table_args__ = (
        Index("attribution_bond_open_key", "customer_id", unique=True, postgresql_where=sql("ended_at IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    customer_id: UUID
    promoter_id: UUID
    bound_at: datetime = created_at()
    ended_at: datetime | None = moment(default=None)


class RuleRow(Table, table=True):
    """A version of how long touches can win a sale, and who can; the newest before an order counts."""

    __tablename__ = "attribution_rule"
    __table_args__ = (
        CheckConstraint("least(share_touch_ttl_s, room_touch_ttl_s, guide_touch_ttl_s) >= 0", name="ttl"),
    )

    id: UUID = Field(primary_key=True)
    share_touch_ttl_s: int
    room_touch_ttl_s: int
    guide_touch_ttl_s: int
    staff_may_distribute: bool = Field(False, sa_column_kwargs={"server_default": sql("false")})
    own_link_stops: bool = Field(False, sa_column_kwargs={"server_default": sql("false")})
    valid_from: datetime = valid_from()
    created_by: UUID


class FrozenLine(Table, table=True):
    """The decision for one order line, written once at checkout."""

    __tablename__ = "attribution_line"
    __table_args__ = (Index("attribution_line_guide_idx", "guide_id", "order_id"),)

    line_id: UUID = Field(primary_key=True)
    order_id: UUID = Field(index=True)
    distributor_id: UUID | None = None
    upline_id: UUID | None = None
    distributor_reason: str = text()
    guide_id: UUID | None = None
    guide_reason: str = text()
    store_id: UUID
    store_reason: str = text()
    room_id: UUID | None = None
    room_reason: str = text()
    touchpoint_id: UUID | None = None
    guide_touchpoint_id: UUID | None = None
    room_touchpoint_id: UUID | None = None
    inviting_store_id: UUID | None = None
    decided_at: datetime = created_at()
