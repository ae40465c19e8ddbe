"""What a line earns and what a refund takes back. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.attribution import LineCredit
from app.core import money

DEFAULT_HOLD_S = 15 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Terms:
    """Rates by level and how long a commission is held after payment. `id` is None for the terms of the house."""

    id: UUID | None
    level1_bps: int
    level2_bps: int
    hold_s: int
    valid_from: datetime | None = None
    made_by: UUID | None = None


DEFAULT_TERMS = Terms(None, level1_bps=1_000, level2_bps=0, hold_s=DEFAULT_HOLD_S)


@dataclass(frozen=True, slots=True)
class Earning:
    """One level's commission of a line."""

    distributor_id: UUID
    level: int
    rate_bps: int
    amount_fen: int


def terms_at(versions: Sequence[Terms], at: datetime) -> Terms:
    """The newest version that was valid at `at`, else the terms of the house. `versions` in order of `valid_from`."""
    valid = [version for version in versions if version.valid_from is not None and version.valid_from <= at]
    return valid[-1] if valid else DEFAULT_TERMS


def earnings(terms: Terms, credit: LineCredit, goods_paid_fen: int) -> list[Earning]:
    """Who earns what on a line: nobody, the credited distributor, or him and his upline; never a third, never 0."""
    if credit.distributor_id is None:
        return []
    payees = [(credit.distributor_id, 1, terms.level1_bps)]
    if credit.upline_id is not None:
        payees.append((credit.upline_id, 2, terms.level2_bps))
    found = [
        Earning(distributor_id, level, rate_bps, money.share(goods_paid_fen, rate_bps))
        for distributor_id, level, rate_bps in payees
    ]
    return [earning for earning in found if earning.amount_fen]


def claw(*, base_fen: int, refunded_fen: int, rate_bps: int, clawed_fen: int) -> int:
    """What is to be taken back now that `refunded_fen` of the base is refunded in all and `clawed_fen` was taken."""
    return money.clawed_back(paid_fen=base_fen, refunded_fen=refunded_fen, rate_bps=rate_bps) - clawed_fen
