"""Bodies, views and value types of stores."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr, StringConstraints, model_validator

from app.core.auth import Role
from app.core.ids import CustomerId, SplitRuleId, StaffId, StoreId, UnitId
from app.core.paging import Page
from app.core.schemas import At, Body, Name, Phone, Plain, Region, Street, Version, View

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
Login = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._@-]{2,64}$")]
Password = Annotated[SecretStr, Field(min_length=10, max_length=128)]


class UnitKind(StrEnum):
    """Headquarters is the root of the organisation; regions stand below it or below each other."""

    HQ = "hq"
    REGION = "region"


class StoreStatus(StrEnum):
    """open ⇄ closed."""

    OPEN = "open"
    CLOSED = "closed"


class StaffStatus(StrEnum):
    """active ⇄ left."""

    ACTIVE = "active"
    LEFT = "left"


class SplitRole(StrEnum):
    """Who gets a part of a line's performance."""

    STORE = "store"
    GUIDE = "guide"


class Party(StrEnum):
    """To whom a line's performance counts."""

    STORE = "store"
    GUIDE = "guide"


class Measure(StrEnum):
    """What of performance is ranked by. `credited` is the whole of the lines credited to a store, guide or region; `own_part`
    and `guides_part` are what the split gives of it to the store and to its guides; `fulfilled` is what a store handed
    over; `inviting` is what those bought whom it first brought to the brand."""

    CREDITED = "credited"
    OWN_PART = "own_part"
    GUIDES_PART = "guides_part"
    FULFILLED = "fulfilled"
    INVITING = "inviting"


class EntryKind(StrEnum):
    """A sale counts above 0, a refund of it below."""

    SALE = "sale"
    REFUND = "refund"


class By(StrEnum):
    """Whose performance is ranked."""

    GUIDE = "guide"
    STORE = "store"
    REGION = "region"


class UnitCreate(Body):
    """A region below headquarters or below another region. The code never changes: paths are made of it."""

    parent: UnitId
    code: Slug = Field(examples=["north"])
    name: Name = Field(examples=["华北大区"])


class UnitUpdate(Body):
    """The name is all that can change."""

    name: Name = Field(examples=["华北大区"])
    version: Version


class UnitView(View):
    """A unit of the organisation."""

    id: UnitId
    parent: UnitId | None
    kind: UnitKind
    code: str
    name: str
    path: str = Field(examples=["/hq/north/"])
    version: int


class StoreFields(Body):
    """What can change of a store."""

    name: Name = Field(examples=["西湖店"])
    city: Region = Field(examples=["杭州市"])
    address: Street = Field(examples=["西湖区文三路 100 号"])
    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False, examples=[30.2741])
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False, examples=[120.1551])
    phone: Phone | None = Field(None, examples=["0571-88886666"])
    is_legal_entity: bool | None = Field(
        None, description="Whether it can be owed money; headquarters alone may set it. Left out it stays as it is."
    )


class StoreCreate(StoreFields):
    """A store of a unit. The code never changes: paths are made of it."""

    unit: UnitId
    code: Slug = Field(examples=["s001"])


class StoreUpdate(StoreFields):
    """The whole store again. A closed one is not shown to customers; its history stays."""

    status: StoreStatus
    version: Version


class StoreView(View):
    """A store as staff see it."""

    id: StoreId
    unit: UnitId
    code: str
    name: str
    city: str
    address: str
    latitude: float
    longitude: float
    phone: str | None
    path: str = Field(examples=["/hq/north/s001/"])
    status: StoreStatus
    is_legal_entity: bool = Field(description="Whether it can be owed money, such as its part of tips.")
    version: int


class StoreCard(View):
    """A store as customers see it. `distance_m` is null unless `near` was given."""

    id: StoreId
    name: str
    city: str
    address: str
    latitude: float
    longitude: float
    phone: str | None
    distance_m: int | None = Field(examples=[850])


class ChosenStoreUpdate(Body):
    """The store that the customer chooses."""

    store: StoreId


class ChosenStoreView(View):
    """The store that the customer chose; null while there is none, or it is closed."""

    store: StoreCard | None


class Post(Body):
    """A role and where it is held: guides and managers in a store, regions and headquarters in a unit."""

    role: Role
    store: StoreId | None = None
    unit: UnitId | None = None

    @model_validator(mode="after")
    def _one_place(self) -> "Post":
        in_store = self.role in (Role.GUIDE, Role.MANAGER)
        if in_store != (self.store is not None) or in_store == (self.unit is not None):
            raise ValueError("guide and manager need store, region and hq need unit, and never both")
        return self


class StaffCreate(Post):
    """A new staff member. `customer` is their own customer account, by whose links sales are credited and whose purchases
    are recognised as their own; only headquarters gives it."""

    login: Login = Field(examples=["li.lei"])
    password: Password
    name: Name = Field(examples=["李雷"])
    customer: CustomerId | None = None


class HeadquartersCreate(Body):
    """A headquarters login, made from the command line."""

    login: Login
    password: Password
    name: Name


class StaffUpdate(Post):
    """The whole staff member again. `status: left` ends all logins at once; a new `password` does too. Only headquarters
    changes `customer`; others send it as it is."""

    name: Name = Field(examples=["李雷"])
    customer: CustomerId | None = None
    status: StaffStatus
    password: Password | None = None
    version: Version


class StaffView(View):
    """A staff member. Whatever lies below `scope_path` is within their reach."""

    id: StaffId
    login: str
    role: Role
    store: StoreId | None
    unit: UnitId | None
    scope_path: str
    name: str
    customer: CustomerId | None
    status: StaffStatus
    version: int


class AdminSessionCreate(Body):
    """A staff login."""

    login: Annotated[str, StringConstraints(min_length=1, max_length=64), Plain]
    password: Annotated[SecretStr, Field(min_length=1, max_length=128)]


class PasswordUpdate(Body):
    """One's own password: the one that counts now, and the new one."""

    password: Annotated[SecretStr, Field(min_length=1, max_length=128)]
    new_password: Password


class AdminSessionView(View):
    """A login: `access_token` goes into `Authorization: Bearer`; refresh it at `POST /v1/session/refresh`."""

    access_token: str
    refresh_token: str
    expires_in: int
    staff: StaffView


class SplitPart(Body):
    """A role's part, in basis points."""

    role: SplitRole
    bps: int = Field(ge=0, le=10_000)


class SplitRulePut(Body):
    """How performance is split from now on: each role at most once, together 10,000."""

    parts: tuple[SplitPart, ...] = Field(
        min_length=1, max_length=2, examples=[[{"role": "store", "bps": 7000}, {"role": "guide", "bps": 3000}]]
    )

    @model_validator(mode="after")
    def _whole(self) -> "SplitRulePut":
        if len({part.role for part in self.parts}) != len(self.parts):
            raise ValueError("each role at most once")
        if sum(part.bps for part in self.parts) != 10_000:
            raise ValueError("parts must sum to 10000")
        return self


class SplitRuleView(View):
    """A version of the split. It counts for orders placed from `valid_from` until the next version's."""

    id: SplitRuleId
    parts: tuple[SplitPart, ...]
    valid_from: At
    created_by: StaffId | None


class PerformanceItem(View):
    """One row of the ranking. `sales_fen`, `refunds_fen`, `net_fen` (the one less the other) and `orders` are of the lines
    credited to it; what the other measures come to is net of refunds, and null where a guide has no such measure."""

    id: str = Field(examples=["sto_01h455vb4pex5vsknk084sn02q"])
    name: str
    sales_fen: int
    refunds_fen: int
    net_fen: int
    orders: int
    own_part_fen: int = Field(description="What the split gives of `net_fen` to the store, or to the guide.")
    guides_part_fen: int | None = Field(description="What the split gives of `net_fen` to guides.")
    fulfilled_fen: int | None = Field(description="Goods paid of what was sold where the store hands over.")
    inviting_fen: int | None = Field(description="Goods paid of buyers whom the store first brought to the brand.")


class PerformanceView(Page[PerformanceItem]):
    """A page of the ranking of one period, `[from_at, to_at)`, made of China days. `next` goes into `after` of the
    following request; null on the last page. `count` is the number of rows on all pages, null unless it was asked for."""

    by: By
    measure: Measure
    period: str
    from_at: At
    to_at: At


@dataclass(frozen=True, slots=True)
class PerformanceEntry:
    """A party's part of a sale (above 0) or of a refund (below 0) of one line."""

    line_id: UUID
    source_id: UUID
    kind: EntryKind
    role: SplitRole
    store_id: UUID
    guide_id: UUID | None
    amount_fen: int
    business_at: datetime
