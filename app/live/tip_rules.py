"""How tips are divided: a versioned rule of headquarters, evaluated as of the tip's `placed_at`."""

from typing import Annotated
from uuid import UUID

from pydantic import Field, model_validator

from app.core.db import Session
from app.core.ids import StaffId, TipRuleId
from app.core.money import WHOLE_BPS
from app.core.paging import Page, Paging
from app.core.schemas import At, Body, View
from app.core.versions import Version, Versioned
from app.live.models import LiveTipRule

_Bps = Annotated[int, Field(ge=0, le=WHOLE_BPS)]


class TipRulePut(Body):
    """How tips are divided from now on; the brand keeps the rest."""

    host_bps: _Bps = Field(description="The host's part.", examples=[5000])
    store_bps: _Bps = Field(description="The store's part.", examples=[2000])

    @model_validator(mode="after")
    def _at_most_the_whole(self) -> "TipRulePut":
        if self.host_bps + self.store_bps > WHOLE_BPS:
            raise ValueError(f"host_bps and store_bps together must not exceed {WHOLE_BPS}")
        return self


class TipRuleView(View):
    """A version of the rule. It counts for tips placed from `valid_from` until the next version's."""

    id: TipRuleId
    host_bps: int
    store_bps: int
    valid_from: At
    created_by: StaffId


class TipRule(Version, frozen=True, kw_only=True):
    """The host's and the store's parts of a tip; the brand keeps the rest."""

    host_bps: int
    store_bps: int


TIP_RULES = Versioned(LiveTipRule, TipRule, TipRuleId, default=TipRule(host_bps=5_000, store_bps=2_000))


async def set_tip_rule(session: Session, created_by: UUID, body: TipRulePut) -> TipRuleView:
    """A new version, valid for tips placed from now on."""
    rule = TipRule(host_bps=body.host_bps, store_bps=body.store_bps)
    return TipRuleView.model_validate(await TIP_RULES.add(session, rule, created_by=created_by))


async def list_tip_rules(session: Session, paging: Paging) -> Page[TipRuleView]:
    """All versions, newest first. Raises CursorInvalid."""
    return await TIP_RULES.page(session, paging, TipRuleView.model_validate)
