"""Bodies and views of distribution."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from app.attribution import Reason
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
from app.core.schemas import At, Body, Name, Plain, View
from app.ledger import Account
from app.payees import Gate, HoldStatus

MAX_RATE_BPS = 5_000
DEFAULT_TOTAL_CAP_BPS = 3_000
MAX_HOLD_S = 365 * 24 * 3600
DEFAULT_HOLD_S = 15 * 24 * 3600

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=200), Plain]
RateBps = Annotated[int, Field(ge=0, le=MAX_RATE_BPS)]


class ApplicationStatus(StrEnum):
    """applied → approved or refused."""

    APPLIED = "applied"
    APPROVED = "approved"
    REFUSED = "refused"


CommissionStatus = HoldStatus
"""A commission stands as the money that it holds: `reversed` when refunds took all of it."""


class CommissionReason(StrEnum):
    """Why the money is where it is: `blocked` by what `blocked_by` lists, waiting for the next release, released, or taken
    back whole by refunds."""

    BLOCKED = "blocked"
    AWAITING_RELEASE = "awaiting_release"
    RELEASED = "released"
    REFUNDED = "refunded"


class ApplicationCreate(Body):
    """Both fields may be left out. `inviter` is the distributor who brought the applicant; inviting earns nothing."""

    name: Name | None = Field(None, examples=["韩梅梅"])
    inviter: DistributorId | None = None


class ApplicationView(View):
    """An application. `distributor` is set once it is approved."""

    id: ApplicationId
    customer: CustomerId
    name: str | None
    inviter: DistributorId | None
    status: ApplicationStatus
    reason: str | None
    distributor: DistributorId | None
    created_at: At
    decided_at: At | None


class DecisionCreate(Body):
    """Yes or no, with a reason that the applicant may read."""

    approve: bool
    reason: Sentence | None = None


class TermsPut(Body):
    """The terms from now on."""

    level1_bps: RateBps = Field(description="What the credited distributor earns.", examples=[1000])
    level2_bps: RateBps = Field(0, description="What their upline earns.", examples=[0])
    total_cap_bps: RateBps | None = Field(
        None, description="The most that the rates may be together; 3,000 when it is left out.", examples=[3000]
    )
    hold_s: int | None = Field(
        None,
        ge=0,
        le=MAX_HOLD_S,
        description="For how long commission is held after payment at least; 15 days when it is left out.",
        examples=[1296000],
    )


class TermsView(View):
    """A version of the terms. It counts for orders placed from `valid_from` until the next version's. `id`,
    `valid_from` and `created_by` are null for the default terms, which count before the first version."""

    id: TermsId | None
    level1_bps: int
    level2_bps: int
    total_cap_bps: int
    hold_s: int
    valid_from: At | None
    created_by: StaffId | None


class Earnings(View):
    """What was earned on sales that were paid in a period. `base_fen` is the goods paid that commission was counted on, of
    which `refunded_fen` went back since; `net_fen` = `commission_fen` − `clawed_back_fen`."""

    orders: int
    base_fen: int
    refunded_fen: int
    commission_fen: int
    clawed_back_fen: int
    net_fen: int


class PeriodEarnings(View):
    """What a distributor earned by sales of their own, and by those of the people whom they invited (`team`)."""

    own: Earnings
    team: Earnings


class SummaryView(View):
    """What the distributor earned, and where their money stands by the ledger. `debt_fen` is what clawbacks took beyond
    the balance; `paid_out_fen` is what left for good, 0 as long as there are no withdrawals."""

    distributor: DistributorId
    today: PeriodEarnings
    this_month: PeriodEarnings
    held_fen: int
    available_fen: int
    debt_fen: int
    paid_out_fen: int


class CommissionView(View):
    """A commission. `net_fen` = `amount_fen` − `clawed_back_fen`. `blocked_by` lists what keeps it from being released, and
    `releases_at` is when that should be over, null while nobody can say."""

    id: CommissionId
    order: OrderId
    order_line: OrderLineId
    level: int
    base_fen: int
    rate_bps: int
    amount_fen: int
    clawed_back_fen: int
    net_fen: int
    status: CommissionStatus
    reason: CommissionReason
    blocked_by: list[Gate]
    releases_at: At | None
    paid_at: At


class CommissionCredit(View):
    """Why the line was credited to this distributor (level 1) or to the one they brought (level 2). `touchpoint` is the
    link that won; null for a bond."""

    reason: Reason
    touchpoint: TouchpointId | None
    decided_at: At


class ClawbackView(View):
    """What one refund took back."""

    refund: RefundId
    amount_fen: int
    created_at: At


class EntryView(View):
    """An entry in the books: a debit is above 0, a credit below."""

    kind: str = Field(examples=["commission_held"])
    account: Account = Field(examples=["payee_held"])
    amount_fen: int
    posted_at: At


class CommissionTerms(View):
    """The version of the terms that a commission was earned by, as far as it counted for it; `id` and `valid_from` are null
    for the default terms."""

    id: TermsId | None
    rate_bps: int
    hold_s: int
    valid_from: At | None


class CommissionExplanation(CommissionView):
    """A commission with the touch or bond that won, the terms, the refunds and the entries in the books."""

    credit: CommissionCredit | None
    terms: CommissionTerms
    clawbacks: list[ClawbackView]
    entries: list[EntryView]


class ShareView(View):
    """A link and what it brought: visits, visitors never seen before, orders and the goods paid in them."""

    id: TouchpointId
    product: ProductId | None
    room: RoomId | None
    visits: int
    new_visitors: int
    orders: int
    paid_fen: int
    created_at: At
