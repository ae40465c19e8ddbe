"""How long touches can win a sale, and who can: a versioned rule."""

from uuid import UUID

from app.attribution.models import RuleRow
from app.attribution.schemas import AttributionRulePut, AttributionRuleView
from app.core.db import Session
from app.core.ids import AttributionRuleId
from app.core.paging import Page, Paging
from app.core.versions import Version, Versioned

_DAY_S = 24 * 3600


class Windows(Version, frozen=True, kw_only=True):
    """For how many seconds a touch can win, by what was touched; whether staff earn commission as distributors; whether the
    buyer's own link ends the search for one, instead of being passed over."""

    share_touch_ttl_s: int
    room_touch_ttl_s: int
    guide_touch_ttl_s: int
    staff_may_distribute: bool = False
    own_link_stops: bool = False


DEFAULT_WINDOWS = Windows(share_touch_ttl_s=15 * _DAY_S, room_touch_ttl_s=_DAY_S, guide_touch_ttl_s=15 * _DAY_S)
WINDOWS = Versioned(RuleRow, Windows, AttributionRuleId, default=DEFAULT_WINDOWS)


async def set_rule(session: Session, created_by: UUID, body: AttributionRulePut) -> AttributionRuleView:
    """A new version, valid for orders placed from now on."""
    added = await WINDOWS.add(session, Windows(**body.model_dump()), created_by=created_by)
    return AttributionRuleView.model_validate(added)


async def list_rules(session: Session, paging: Paging) -> Page[AttributionRuleView]:
    """All versions, newest first. Raises CursorInvalid."""
    return await WINDOWS.page(session, paging, AttributionRuleView.model_validate)
