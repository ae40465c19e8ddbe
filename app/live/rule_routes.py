"""The rule of tips over HTTP."""

from fastapi import APIRouter

from app.core.auth import Headquarters
from app.core.http import Page, PageQuery, Reading, Tx
from app.live import tip_rules
from app.live.tip_rules import TipRulePut, TipRuleView

admin = APIRouter(prefix="/v1/admin/live", tags=["live: staff"])
routers = [admin]


@admin.get("/tip-rules", summary="List versions of the tip rule")
async def list_tip_rules(actor: Headquarters, session: Reading, paging: PageQuery) -> Page[TipRuleView]:
    """Newest first. Before the first version the host gets 50 %, the store 20 % and the brand the rest."""
    return await tip_rules.list_tip_rules(session, paging)


@admin.put("/tip-rules", summary="Set the tip rule")
async def set_tip_rule(body: TipRulePut, actor: Headquarters, session: Tx) -> TipRuleView:
    """Adds a version that counts for tips placed from now on; tips that were placed before are divided as they were."""
    return await tip_rules.set_tip_rule(session, actor.id, body)
