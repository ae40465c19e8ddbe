"""Tables of stores. Split rules and performance entries are append-only by trigger; day totals are kept from entries."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, moment, numbered, text
from app.core.versions import valid_from


class OrganisationUnit(Table, table=True):
    """Headquarters or a region. Code and path never change."""

    __tablename__ = "stores_unit"
    __table_args__ = (
        CheckConstraint("kind IN ('hq', 'region')", name="kind"),
        CheckConstraint("(kind = 'hq') = (parent_id IS NULL)", name="root"),
        Index("stores_unit_headquarters_key", "kind", unique=True, postgresql_where=sql("kind = 'hq'")),
    )

    id: UUID = Field(primary_key=True)
    parent_id: UUID | None = Field(None, foreign_key="stores_unit.id", index=True)
    kind: str = text()
    code: str = text(unique=True)
    name: str = text()
    path: str = text(unique=True)
    version: int = 1
    created_at: datetime = created_at()


class Store(Table, table=True):
    """A shop; its stock place in the mall has the same UUID. Code and path never change. Only one that is a legal entity of
    its own, such as a franchisee, can be owed money."""

    __tablename__ = "stores_store"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'closed')", name="status"),
        CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="where_on_earth"),
    )

    id: UUID = Field(primary_key=True)
    unit_id: UUID = Field(foreign_key="stores_unit.id", index=True)
    code: str = text(unique=True)
    name: str = text()
    city: str = text(index=True)
    address: str = text()
    latitude: float = Field(sa_type=Double)
    longitude: float = Field(sa_type=Double)
    phone: str | None = text(default=None)
    path: str = text(unique=True)
    status: str = text()
    is_legal_entity: bool = Field(False, sa_column_kwargs={"server_default": sql("false")})
    version: int = 1
    created_at: datetime = created_at()


class ChosenStore(Table, table=True):
    """The store that a customer looks at in the mini-program: a view, which credits nobody."""

    __tablename__ = "stores_chosen_store"

    customer_id: UUID = Field(foreign_key="customers_customer.id", primary_key=True)
    store_id: UUID = Field(foreign_key="stores_store.id")
    chosen_at: datetime = created_at()


class Staff(Table, table=True):
    """A staff member. `scope_path` is the path of their store or unit; `customer_id` is their own customer account."""

    __tablename__ = "stores_staff"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'left')", name="status"),
        CheckConstraint("role IN ('guide', 'manager', 'region', 'hq')", name="role"),
        CheckConstraint("(role IN ('guide', 'manager')) = (store_id IS NOT NULL)", name="posted_to_store"),
        CheckConstraint("(role IN ('region', 'hq')) = (unit_id IS NOT NULL)", name="posted_to_unit"),
        Index("stores_staff_customer_key", "customer_id", unique=True, postgresql_where=sql("status = 'active'")),
        Index("stores_staff_scope_idx", "scope_path", "id", postgresql_ops={"scope_path": "text_pattern_ops"}),
    )

    id: UUID = Field(primary_key=True)
    login: str = text(unique=True)
    password_hash: str = text()
    role: str = text()
    unit_id: UUID | None = Field(None, foreign_key="stores_unit.id")
    store_id: UUID | None = Field(None, foreign_key="stores_store.id", index=True)
    scope_path: str = text()
    name: str = text()
    customer_id: UUID | None = Field(None, foreign_key="customers_customer.id")
    status: str = text()
    version: int = 1
    created_at: datetime = created_at()


class SplitRuleRow(Table, table=True):
    """A version of the performance split; its parts sum to 10,000 by trigger. The newest before an order counts."""

    __tablename__ = "stores_split_rule"

    id: UUID = Field(primary_key=True)
    parts: list[dict[str, object]] = Field(sa_type=JSONB)
    valid_from: datetime = valid_from()
    created_by: UUID | None = Field(None, foreign_key="stores_staff.id")


class Performance(Table, table=True):
    """One party's part of one line's sale, or of one refund of it (below 0). `source_id` is the order or the refund.

    Beside whose part it is (`role`, `guide_id`) stands to whom the line counts: the store and guide credited for it, the
    store that hands it over, the one that brought the buyer to the brand; each store with its path then.
    Entries are written by one transaction after the other, so `number` rises with what can be seen.
    """

    __tablename__ = "stores_performance"
    __table_args__ = (
        UniqueConstraint("line_id", "source_id", "role"),
        CheckConstraint("kind IN ('sale', 'refund')", name="kind"),
        CheckConstraint("role IN ('store', 'guide')", name="role"),
        CheckConstraint("(role = 'guide') = (guide_id IS NOT NULL)", name="guide_of_guide"),
        CheckConstraint("CASE kind WHEN 'sale' THEN amount_fen > 0 ELSE amount_fen < 0 END", name="sign"),
    )

    number: int = numbered()
    order_id: UUID = Field(index=True)
    line_id: UUID
    source_id: UUID
    kind: str = text()
    role: str = text()
    store_id: UUID
    guide_id: UUID | None = None
    scope_path: str = text()
    credited_guide_id: UUID | None = None
    fulfilling_store_id: UUID | None = None
    fulfilling_path: str | None = text(default=None)
    inviting_store_id: UUID | None = None
    inviting_path: str | None = text(default=None)
    amount_fen: int = fen()
    business_at: datetime = moment()
    rule_id: UUID | None = Field(None, foreign_key="stores_split_rule.id")


class PartyDay(Table, table=True):
    """What counted to a store or a guide on one China day, at the path of the store: `sales_fen` and `refunds_fen` of the
    lines credited to them, whosever parts; net of refunds, their own parts of these (`own_part_fen`), what a store handed
    over (`fulfilled_fen`), and what those bought whom it brought to the brand (`inviting_fen`).

    `orders` counts the orders sold so that the counts at all paths below any path sum to the orders there: see
    `rules.order_counts`.
    """

    __tablename__ = "stores_party_day"
    __table_args__ = (
        CheckConstraint("role IN ('store', 'guide')", name="role"),
        CheckConstraint("sales_fen >= 0 AND refunds_fen >= 0", name="not_negative"),
        Index("stores_party_day_scope_idx", "scope_path", "day", postgresql_ops={"scope_path": "text_pattern_ops"}),
    )

    day: date = Field(primary_key=True)
    role: str = text(primary_key=True)
    scope_path: str = text(primary_key=True)
    party_id: UUID = Field(primary_key=True)
    sales_fen: int = fen()
    refunds_fen: int = fen()
    orders: int
    own_part_fen: int = fen(0)
    fulfilled_fen: int = fen(0)
    inviting_fen: int = fen(0)


class PathDay(Table, table=True):
    """What the stores at one path came to on one China day, with the columns of `PartyDay`."""

    __tablename__ = "stores_path_day"
    __table_args__ = (
        CheckConstraint("sales_fen >= 0 AND refunds_fen >= 0", name="not_negative"),
        Index("stores_path_day_scope_idx", "scope_path", "day", postgresql_ops={"scope_path": "text_pattern_ops"}),
    )

    day: date = Field(primary_key=True)
    scope_path: str = text(primary_key=True)
    sales_fen: int = fen()
    refunds_fen: int = fen()
    orders: int
    own_part_fen: int = fen(0)
    fulfilled_fen: int = fen(0)
    inviting_fen: int = fen(0)
