"""Versions of the performance split."""

from uuid import UUID

from app.core.db import Session
from app.core.ids import SplitRuleId
from app.core.paging import Page, Paging
from app.core.versions import Versioned
from app.stores.models import SplitRuleRow
from app.stores.rules import DEFAULT_RULE, Share, SplitRule
from app.stores.schemas import SplitRulePut, SplitRuleView

SPLIT_RULES = Versioned(SplitRuleRow, SplitRule, SplitRuleId, default=DEFAULT_RULE)


def _view(rule: SplitRule) -> SplitRuleView:
    return SplitRuleView.model_validate(rule, from_attributes=True)


async def set_rule(session: Session, created_by: UUID, body: SplitRulePut) -> SplitRuleView:
    """A new version, valid for orders placed from now on."""
    rule = SplitRule(parts=tuple(Share(part.role, part.bps) for part in body.parts))
    return _view(await SPLIT_RULES.add(session, rule, created_by=created_by))


async def list_rules(session: Session, paging: Paging) -> Page[SplitRuleView]:
    """All versions, newest first. Raises CursorInvalid."""
    return await SPLIT_RULES.page(session, paging, _view)
