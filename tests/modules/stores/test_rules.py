"""The pure rules of the split, of roles and of periods."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.auth import Role
from app.core.clock import china_date
from app.stores.errors import NearUnreadable, PeriodUnreadable
from app.stores.rules import (
    Share,
    SplitRule,
    may_grant,
    near_point,
    order_counts,
    read_period,
    reversal,
    split,
)
from app.stores.schemas import SplitRole

rules = st.integers(0, 10_000).flatmap(
    lambda store_bps: st.permutations(
        [Share(SplitRole.STORE, store_bps), Share(SplitRole.GUIDE, 10_000 - store_bps)]
    ).map(lambda parts: SplitRule(parts=tuple(parts)))
)
amounts = st.integers(0, 10_000_000)


@given(rules, amounts, st.booleans())
def test_parts_sum_to_the_whole_and_none_is_negative(rule: SplitRule, amount_fen: int, with_guide: bool) -> None:
    parts = split(rule, amount_fen, with_guide=with_guide)
    assert sum(parts.values()) == amount_fen
    assert min(parts.values()) >= 0
    if not with_guide:
        assert parts == {SplitRole.STORE: amount_fen, SplitRole.GUIDE: 0}


@given(rules, amounts, st.booleans(), st.lists(st.integers(1, 3_000_000), max_size=20))
def test_any_series_of_part_refunds_ends_exact(
    rule: SplitRule, paid_fen: int, with_guide: bool, wishes: list[int]
) -> None:
    sale = split(rule, paid_fen, with_guide=with_guide)
    left = dict(sale)
    refunded_fen = 0
    for wish in [*wishes, paid_fen]:
        amount_fen = min(wish, paid_fen - refunded_fen)
        taken = reversal(
            rule,
            goods_paid_fen=paid_fen,
            refunded_before_fen=refunded_fen,
            amount_fen=amount_fen,
            with_guide=with_guide,
        )
        assert sum(taken.values()) == -amount_fen
        assert max(taken.values()) <= 0
        refunded_fen += amount_fen
        left = {role: left[role] + taken[role] for role in left}
        assert left == split(rule, paid_fen - refunded_fen, with_guide=with_guide)
    assert set(left.values()) == {0}


codes = st.text("ab-1", min_size=1, max_size=2)
paths = st.lists(codes, max_size=4).map(lambda below: "/" + "".join(f"{code}/" for code in ("hq", *below)))


@given(st.sets(paths, max_size=6), paths)
def test_an_order_counts_once_below_any_path(credited: set[str], scope: str) -> None:
    seen = sum(count for path, count in order_counts(credited).items() if path.startswith(scope))
    assert seen == any(path.startswith(scope) for path in credited)


def test_an_order_of_one_path_is_counted_there_alone() -> None:
    assert order_counts(["/hq/north/s001/", "/hq/north/s001/"]) == {"/hq/north/s001/": 1}
    assert order_counts(["/hq/north/s001/", "/hq/south/s002/"]) == {
        "/hq/north/s001/": 1,
        "/hq/south/s002/": 1,
        "/hq/": -1,
    }


def test_nobody_grants_a_role_above_their_own() -> None:
    granted = {own: {role for role in Role if may_grant(own, role)} for own in Role}
    assert granted == {
        Role.GUIDE: set(),
        Role.MANAGER: {Role.GUIDE},
        Role.REGION: {Role.GUIDE, Role.MANAGER, Role.REGION},
        Role.HQ: set(Role),
    }
    assert not may_grant(None, Role.GUIDE)


@pytest.mark.parametrize(
    ("period", "from_at", "to_at"),
    [
        ("day:2026-11-21", "2026-11-20T16:00:00", "2026-11-21T16:00:00"),
        ("week:2026-W47", "2026-11-15T16:00:00", "2026-11-22T16:00:00"),
        ("month:2026-11", "2026-10-31T16:00:00", "2026-11-30T16:00:00"),
        ("month:2026-12", "2026-11-30T16:00:00", "2026-12-31T16:00:00"),
        ("month:2028-02", "2028-01-31T16:00:00", "2028-02-29T16:00:00"),
    ],
)
def test_periods_are_made_of_china_days(period: str, from_at: str, to_at: str) -> None:
    read = read_period(period)
    assert (read.from_at, read.to_at) == (
        datetime.fromisoformat(f"{from_at}+00:00"),
        datetime.fromisoformat(f"{to_at}+00:00"),
    )
    assert [china_date(read.from_at), china_date(read.to_at - timedelta(microseconds=1))] == [read.first, read.last]


@pytest.mark.parametrize(
    "period", ["", "2026-11-21", "day:2026-11-31", "week:2026-W54", "month:2026-13", "day:0001-01-01", "month:9999-12"]
)
def test_a_period_that_is_none_is_refused(period: str) -> None:
    with pytest.raises(PeriodUnreadable):
        read_period(period)


@pytest.mark.parametrize("near", ["", "30", "30,181", "91,0", "a,b", "1e5,2", "30.1, 120.2"])
def test_a_point_that_is_none_is_refused(near: str) -> None:
    with pytest.raises(NearUnreadable):
        near_point(near)


def test_a_point_is_latitude_and_longitude() -> None:
    assert near_point("30.2741,-120.1551") == (30.2741, -120.1551)
