"""Value types, bodies and views of attribution."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from pydantic import Field, model_validator

from app.core.ids import AttributionRuleId, DistributorId, ProductId, RoomId, StaffId, StoreId, TouchId, TouchpointId
from app.core.schemas import At, Body, Plain, View

MAX_TTL_S = 365 * 24 * 3600


class PromoterKind(StrEnum):
    """Who may be credited: a distributor earns commission, a guide counts for their store."""

    DISTRIBUTOR = "distributor"
    GUIDE = "guide"


class TouchpointKind(StrEnum):
    """A link that somebody shared, or a live room."""

    SHARE = "share"
    ROOM = "room"


class Reason(StrEnum):
    """Why a party won a line, or why nobody did."""

    SHARE_TOUCH = "share_touch"
    BOND = "bond"
    GUIDE_TOUCH = "guide_touch"
    GUIDE_STORE = "guide_store"
    ROOM_STORE = "room_store"
    SELLING_STORE = "selling_store"
    ROOM_TOUCH = "room_touch"
    OWN_LINK = "own_link"
    SAME_PERSON = "same_person"
    STAFF = "staff"
    NONE = "none"


class LineCredit(msgspec.Struct, frozen=True, kw_only=True):
    """Who is credited for one order line, decided at checkout and frozen. Copied into events.

    `touchpoint_id` is the link by which the distributor won, None where a bond did; `guide_touchpoint_id` is what the
    guide won by, `room_touchpoint_id` what the room was entered by. `inviting_store_id` is the store that first brought
    the buyer to the brand, None where no store did.
    """

    line_id: UUID
    distributor_id: UUID | None
    upline_id: UUID | None
    distributor_reason: Reason
    guide_id: UUID | None
    guide_reason: Reason
    store_id: UUID
    store_reason: Reason
    room_id: UUID | None
    room_reason: Reason
    touchpoint_id: UUID | None
    guide_touchpoint_id: UUID | None = None
    room_touchpoint_id: UUID | None = None
    inviting_store_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class LineToCredit:
    """A line of an order that is being placed."""

    line_id: UUID
    product_id: UUID


@dataclass(frozen=True, slots=True)
class Touchpoint:
    """A link or code that customers may come by. Its TypeID fits the `scene` of a mini-program code."""

    id: UUID
    kind: TouchpointKind
    path: str


class TouchCreate(Body):
    """A customer came by a link (`touchpoint`) or by a scanned code (`scene`, the same id)."""

    touchpoint: TouchpointId | None = None
    scene: Annotated[str, Field(max_length=32), Plain] | None = Field(
        None, description="The `scene` that the mini-program was opened with."
    )
    entry: Annotated[str, Field(max_length=64), Plain] | None = Field(
        None, description="Where the customer found it, such as `group` or `moments`."
    )

    @model_validator(mode="after")
    def _one_of(self) -> "TouchCreate":
        if (self.touchpoint is None) == (self.scene is None):
            raise ValueError("give either touchpoint or scene")
        return self


class CreditView(View):
    """Who is credited for the customer's next order, as far as touches and bonds decide it."""

    distributor: DistributorId | None
    guide: StaffId | None
    store: StoreId | None


class TouchView(View):
    """What the touchpoint points to, and who is credited for the customer's next order."""

    id: TouchId
    product: ProductId | None
    room: RoomId | None
    store: StoreId | None
    credited: CreditView
    touched_at: At


class ShareCreate(Body):
    """Something to share: a product or a room. `via` is the touchpoint the sharer came by."""

    product: ProductId | None = None
    room: RoomId | None = None
    via: TouchpointId | None = None

    @model_validator(mode="after")
    def _one_target(self) -> "ShareCreate":
        if (self.product is None) == (self.room is None):
            raise ValueError("give either product or room")
        return self


class ShareLinkView(View):
    """A link of the sharer's own: `path` for a share card, `scene` for a code, `code_url` for the code's picture."""

    id: TouchpointId
    kind: Literal["share"] = "share"
    path: str
    scene: str
    code_url: str


Seconds = Annotated[int, Field(ge=0, le=MAX_TTL_S)]


class AttributionRulePut(Body):
    """How long touches can win a sale, in seconds (0 is never), and who can."""

    share_touch_ttl_s: Seconds = Field(
        description="How long a visit to a shared link can win for the distributor.", examples=[1_296_000]
    )
    room_touch_ttl_s: Seconds = Field(
        description="How long a visit to a live room can win for the room.", examples=[86_400]
    )
    guide_touch_ttl_s: Seconds = Field(
        description="How long a guide's touch can win for the guide and their store.", examples=[1_296_000]
    )
    staff_may_distribute: bool = Field(
        False, description="Whether people who work for the brand earn commission as distributors."
    )
    own_link_stops: bool = Field(
        False, description="Whether a buyer's own link wins over older ones, for nobody; else it is passed over."
    )


class AttributionRuleView(View):
    """A version of the rule. It counts for orders placed from `valid_from` until the next version's."""

    id: AttributionRuleId
    share_touch_ttl_s: int
    room_touch_ttl_s: int
    guide_touch_ttl_s: int
    staff_may_distribute: bool
    own_link_stops: bool
    valid_from: At
    created_by: StaffId


class LineExplanation(View):
    """Why each party won one line, and by which touchpoint: `touchpoint` is the distributor's. `inviting_store` first brought
    the buyer to the brand."""

    line: UUID
    distributor: DistributorId | None
    upline: DistributorId | None
    distributor_reason: Reason
    guide: StaffId | None
    guide_reason: Reason
    store: StoreId
    store_reason: Reason
    room: RoomId | None
    room_reason: Reason
    touchpoint: TouchpointId | None
    guide_touchpoint: TouchpointId | None
    room_touchpoint: TouchpointId | None
    inviting_store: StoreId | None
    decided_at: At
