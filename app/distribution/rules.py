"""What a line earns and what a refund takes back. Pure."""

from uuid import UUID

import msgspec

from app.attribution import LineCredit
from app.core import money
from app.core.versions import Version
from app.distribution.schemas import DEFAULT_HOLD_S, DEFAULT_TOTAL_CAP_BPS


class Terms(Version, frozen=True, kw_only=True):
    """Rates by level, at most `total_cap_bps` together, and for how long a commission is held after payment."""

    level1_bps: int
    level2_bps: int
    total_cap_bps: int = DEFAULT_TOTAL_CAP_BPS
    hold_s: int = DEFAULT_HOLD_S


DEFAULT_TERMS = Terms(level1_bps=1_000, level2_bps=0)


class Earning(msgspec.Struct, frozen=True):
    """One level's commission of a line."""

    distributor_id: UUID
    level: int
    rate_bps: int
    amount_fen: int


def earnings(terms: Terms, credit: LineCredit, goods_paid_fen: int) -> list[Earning]:
    """Who earns what on a line: nobody, the credited distributor, or them and their upline; never a third, never 0."""
    if credit.distributor_id is None:
        return []
    found = [_earning(credit.distributor_id, 1, terms.level1_bps, goods_paid_fen)]
    if credit.upline_id is not None:
        found.append(_earning(credit.upline_id, 2, terms.level2_bps, goods_paid_fen))
    return [earning for earning in found if earning.amount_fen]


def _earning(distributor_id: UUID, level: int, rate_bps: int, goods_paid_fen: int) -> Earning:
    return Earning(distributor_id, level, rate_bps, money.share(goods_paid_fen, rate_bps))


def claw(*, base_fen: int, refunded_fen: int, rate_bps: int, clawed_back_fen: int) -> int:
    """What is to be taken back now that `refunded_fen` of the base is refunded in all and `clawed_back_fen` was taken."""
    return money.clawed_back(paid_fen=base_fen, refunded_fen=refunded_fen, rate_bps=rate_bps) - clawed_back_fen
