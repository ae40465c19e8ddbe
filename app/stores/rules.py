"""The performance split, roles, periods. Pure."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from posixpath import commonpath

import msgspec

from app.core import money
from app.core.auth import Role
from app.core.clock import china_day
from app.core.money import WHOLE_BPS
from app.core.versions import Version
from app.stores.errors import NearUnreadable, PeriodUnreadable
from app.stores.schemas import SplitRole


class Share(msgspec.Struct, frozen=True):
    """A role's part of the split."""

    role: SplitRole
    bps: int


class SplitRule(Version, frozen=True, kw_only=True):
    """Parts in basis points that sum to 10,000."""

    parts: tuple[Share, ...]


DEFAULT_RULE = SplitRule(parts=(Share(SplitRole.STORE, 7_000), Share(SplitRole.GUIDE, 3_000)))


def split(rule: SplitRule, amount_fen: int, *, with_guide: bool) -> dict[SplitRole, int]:
    """Each role's part of `amount_fen`; they sum to it exactly. Without a guide their part goes to the store."""
    parts = money.split(amount_fen, [share.bps for share in rule.parts])
    by_role = {SplitRole.STORE: 0, SplitRole.GUIDE: 0}
    for share, part_fen in zip(rule.parts, parts, strict=True):
        by_role[share.role if with_guide else SplitRole.STORE] += part_fen
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


assert sum(share.bps for share in DEFAULT_RULE.parts) == WHOLE_BPS


def order_counts(paths: Iterable[str]) -> Counter[str]:
    """How an order that is credited at these paths is counted, so that below any path the counts sum to 1 when the order is
    credited anywhere below it, else to 0.

    It counts 1 at each path, and −1 where two that are neighbours when sorted meet: what lies below one path stands
    together when sorted, and whoever sees k of them sees k − 1 of their meetings.
    """
    by_name = sorted(set(paths))
    counts = Counter(by_name)
    for path, following in pairwise(by_name):
        counts[_meeting_path(path, following)] -= 1
    return counts


def _meeting_path(one: str, other: str) -> str:
    return commonpath([one, other]).rstrip("/") + "/"


_GRANTABLE = {
    Role.GUIDE: frozenset[Role](),
    Role.MANAGER: frozenset({Role.GUIDE}),
    Role.REGION: frozenset({Role.GUIDE, Role.MANAGER, Role.REGION}),
    Role.HQ: frozenset(Role),
}


def may_grant(own: Role | None, role: Role) -> bool:
    """Whether staff of role `own` may give, change or take away `role`: never one above their own."""
    return own is not None and role in _GRANTABLE[own]


def promotes(role: Role) -> bool:
    """Whether such staff can be credited for sales."""
    return role in (Role.GUIDE, Role.MANAGER)


_PERIOD = re.compile(
    r"day:(?P<day>\d{4}-\d{2}-\d{2})|week:(?P<year>\d{4})-W(?P<week>\d{2})|month:(?P<month>\d{4}-\d{2})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Period:
    """China days from `first` to `last`, which are the moments of `[from_at, to_at)`."""

    first: date
    last: date
    from_at: datetime
    to_at: datetime


def read_period(text: str) -> Period:
    """A China day, ISO week or month. Raises PeriodUnreadable."""
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
        return Period(first, last, china_day(first)[0], china_day(last)[1])
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
