"""Versions of the terms."""

from uuid import UUID

from app.core.db import Session
from app.core.ids import TermsId
from app.core.paging import Page, Paging
from app.core.versions import Versioned
from app.distribution.errors import OverTotalCap
from app.distribution.models import TermsRow
from app.distribution.rules import DEFAULT_TERMS, Terms
from app.distribution.schemas import DEFAULT_HOLD_S, DEFAULT_TOTAL_CAP_BPS, TermsPut, TermsView

TERMS = Versioned(TermsRow, Terms, TermsId, default=DEFAULT_TERMS)


async def set_terms(session: Session, created_by: UUID, body: TermsPut) -> TermsView:
    """New terms, valid for orders placed from now on. Raises OverTotalCap."""
    cap_bps = DEFAULT_TOTAL_CAP_BPS if body.total_cap_bps is None else body.total_cap_bps
    if body.level1_bps + body.level2_bps > cap_bps:
        raise OverTotalCap(total_bps=body.level1_bps + body.level2_bps, total_cap_bps=cap_bps)
    terms = Terms(
        level1_bps=body.level1_bps,
        level2_bps=body.level2_bps,
        total_cap_bps=cap_bps,
        hold_s=DEFAULT_HOLD_S if body.hold_s is None else body.hold_s,
    )
    return TermsView.model_validate(await TERMS.add(session, terms, created_by=created_by))


async def list_terms(session: Session, paging: Paging) -> Page[TermsView]:
    """All versions, newest first. Raises CursorInvalid."""
    return await TERMS.page(session, paging, TermsView.model_validate)
