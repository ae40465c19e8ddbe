"""The performance split, roles, periods. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from app.core import money
from app.core.auth import Role
from app.core.clock import china_day
from app.core.money import WHOLE_BPS
from app.stores.errors import NearUnreadable, PeriodUnreadable
from app.stores.schemas import SplitRole


@dataclass(frozen=True, slots=True)
class SplitRule:
    """Parts in basis points that sum to 10,000. `id` is None for the default."""

    id: UUID | None
    parts: tuple[tuple[SplitRole, int], ...]
    valid_from: datetime | None = None


DEFAULT_RULE = SplitRule(None, ((SplitRole.STORE, 7_000), (SplitRole.GUIDE, 3_000)))


def rule_at(rules: Sequence[SplitRule], at: datetime) -> SplitRule:
    """The newest rule that was valid at `at`, else the default. `rules` in order of `valid_from`."""
    valid = [rule for rule in rules if rule.valid_from is not None and rule.valid_from <= at]
    return valid[-1] if valid else DEFAULT_RULE


def split(rule: SplitRule, amount_fen: int, *, with_guide: bool) -> dict[SplitRole, int]:
    """Each role's part of `amount_fen`; they sum to it exactly. Without a guide his part goes to the store."""
    parts = money.split(amount_fen, [bps for _, bps in rule.parts])
    by_role = {SplitRole.STORE: 0, SplitRole.GUIDE: 0}
    for (role, _), part_fen in zip(rule.parts, parts, strict=True):
        by_role[role if with_guide else SplitRole.STORE] += part_fen
    return by_role


def reversal(
    rule: SplitRule, *, goods_paid_fen: int, refunded_before_fen: int, amount_fen: int, with_guide: bool
) -> dict[SplitRole, int]:
    """What a refund of `amount_fen` takes from each role, at most 0: the split of what remains less the split before.

    Any series of part refunds ends exact, because only the two ends of it count.
    """
    assert 0 <= amount_fen <= goods_paid_fen - refunded_before_fen
    remained_fen = goods_paid_fen - refunded_before_fen
    before = split(rule, remained_fen, with_guide=with_guide)
    after = split(rule, remained_fen - amount_fen, with_guide=with_guide)
    return {role: after[role] - before[role] for role in before}


assert sum(bps for _, bps in DEFAULT_RULE.parts) == WHOLE_BPS

_GRANTABLE = {
    Role.GUIDE: frozenset[Role](),
    Role.MANAGER: frozenset({Role.GUIDE}),
    Role.REGION: frozenset({Role.GUIDE, Role.MANAGER, Role.REGION}),
    Role.HQ: frozenset(Role),
}


def may_grant(own: Role | None, role: Role) -> bool:
    """Whether somebody of role `own` may give, change or take away `role`: never one above the own."""
    return own is not None and role in _GRANTABLE[own]


def promotes(role: Role) -> bool:
    """Whether such staff can be credited for sales."""
    return role in (Role.GUIDE, Role.MANAGER)


_PERIOD = re.compile(
    r"day:(?P<day>\d{4}-\d{2}-\d{2})|week:(?P<year>\d{4})-W(?P<week>\d{2})|month:(?P<month>\d{4}-\d{2})", re.ASCII
)


def period_range(text: str) -> tuple[datetime, datetime]:
    """The half-open UTC range of a China day, ISO week or month. Raises PeriodUnreadable."""
    found = _PERIOD.fullmatch(text)
    if found is None:
        raise PeriodUnreadable
    try:
        if found["day"]:
            first = date.fromisoformat(found["day"])
            last = first
        elif found["week"]:
            first = date.fromisocalendar(int(found["year"]), int(found["week"]), 1)
            last = first + timedelta(days=6)
        else:
            first = date.fromisoformat(f"{found['month']}-01")
            last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return china_day(first)[0], china_day(last)[1]
    except (ValueError, OverflowError):
        raise PeriodUnreadable from None


_NEAR = re.compile(r"(-?\d{1,2}(?:\.\d{1,10})?),(-?\d{1,3}(?:\.\d{1,10})?)", re.ASCII)


def near_point(text: str) -> tuple[float, float]:
    """Latitude and longitude. Raises NearUnreadable."""
    found = _NEAR.fullmatch(text)
    if found is None:
        raise NearUnreadable
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise NearUnreadable
    return latitude, longitude
