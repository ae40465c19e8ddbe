"""Bodies and views of distribution."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from app.attribution import Reason
from app.core.http import Body, Plain, View
from app.core.http.schemas import At
from app.core.ids import (
    ApplicationId,
    CommissionId,
    CustomerId,
    DistributorId,
    OrderId,
    OrderLineId,
    ProductId,
    RefundId,
    RoomId,
    StaffId,
    TermsId,
    TouchpointId,
)

MAX_RATE_BPS = 5_000
MAX_HOLD_S = 365 * 24 * 3600

Name = Annotated[str, StringConstraints(min_length=1, max_length=64), Plain]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=200), Plain]
RateBps = Annotated[int, Field(ge=0, le=MAX_RATE_BPS)]


class ApplicationStatus(StrEnum):
    APPLIED = "applied"
    APPROVED = "approved"
    REFUSED = "refused"


class DistributorStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class CommissionStatus(StrEnum):
    """`held` until the after-sale window is over, then `released`; `reversed` when refunds took all of it."""

    HELD = "held"
    RELEASED = "released"
    REVERSED = "reversed"


class CommissionReason(StrEnum):
    """Why the money is where it is."""

    AFTER_SALE_WINDOW = "after_sale_window"
    AWAITING_RELEASE = "awaiting_release"
    RELEASED = "released"
    REFUNDED = "refunded"


class ApplicationCreate(Body):
    """Both may be left out. `inviter` is the distributor who brought one; he is never paid for that."""

    name: Name | None = Field(None, examples=["韩梅梅"])
    inviter: DistributorId | None = None


class ApplicationView(View):
    """An application. `distributor` is set once it was approved."""

    id: ApplicationId
    customer: CustomerId
    name: str | None
    inviter: DistributorId | None
    status: ApplicationStatus
    reason: str | None
    distributor: DistributorId | None
    made_at: At
    decided_at: At | None


class DecisionCreate(Body):
    """Yes or no, with a reason that the applicant may read."""

    approve: bool
    reason: Sentence | None = None


class TermsPut(Body):
    """Rates from now on. Without `hold_s` it is 15 days."""

    level1_bps: RateBps = Field(examples=[1000])
    level2_bps: RateBps = Field(0, examples=[0])
    hold_s: int | None = Field(None, ge=0, le=MAX_HOLD_S, examples=[1296000])


class TermsView(View):
    """A version of the terms. It counts for orders placed from `valid_from` until the next version's. `id`,
    `valid_from` and `made_by` are null for the terms of the house that count before the first version."""

    id: TermsId | None
    level1_bps: int
    level2_bps: int
    hold_s: int
    valid_from: At | None
    made_by: StaffId | None


class Earnings(View):
    """What was earned in a period. `base_fen` is the goods paid that commission was counted on; `commission_fen` is
    what is left of it after refunds."""

    orders: int
    base_fen: int
    commission_fen: int


class SummaryView(View):
    """Where the distributor's money stands, by the ledger. `debt_fen` is what claw-backs took beyond the balance;
    `paid_out_fen` is what was really paid out: 0 as long as there are no withdrawals."""

    distributor: DistributorId
    today: Earnings
    this_month: Earnings
    held_fen: int
    available_fen: int
    debt_fen: int
    paid_out_fen: int


class CommissionView(View):
    """One commission. `net_fen` = `amount_fen` − `clawed_fen`; `reason` says why it is not paid out yet, or why not."""

    id: CommissionId
    order: OrderId
    order_line: OrderLineId
    level: int
    base_fen: int
    rate_bps: int
    amount_fen: int
    clawed_fen: int
    net_fen: int
    status: CommissionStatus
    reason: CommissionReason
    releases_at: At
    paid_at: At


class CommissionCredit(View):
    """Why the line was credited to this distributor (level 1) or to the one he brought (level 2). `touchpoint` is the link
    that won; null for a bond."""

    reason: Reason
    touchpoint: TouchpointId | None
    decided_at: At


class ClawbackView(View):
    """What one refund took back."""

    refund: RefundId
    amount_fen: int
    made_at: At


class EntryView(View):
    """One leg in the books: a debit above 0, a credit below."""

    kind: str = Field(examples=["commission_held"])
    account: str = Field(examples=["payee_held"])
    amount_fen: int
    posted_at: At


class CommissionExplanation(CommissionView):
    """The whole of it: the touch or bond that won, the terms, the refunds and the entries in the books."""

    credit: CommissionCredit | None
    terms: TermsView
    clawbacks: list[ClawbackView]
    entries: list[EntryView]


class ShareView(View):
    """One link and what it brought: visits, visitors never seen before, orders and the goods paid in them."""

    id: TouchpointId
    product: ProductId | None
    room: RoomId | None
    visits: int
    new_visitors: int
    orders: int
    paid_fen: int
    made_at: At
