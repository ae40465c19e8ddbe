"""Rules by example: the sums a person would check by hand."""

from datetime import UTC, datetime

import pytest

from app.core.clock import china_day, rfc3339
from app.core.ids import new_id
from app.core.money import clawed_back, share, split
from app.mall.aftersales.rules import refund_of_units
from app.mall.orders.checkout import order_number


@pytest.mark.parametrize(
    ("amount_fen", "rate_bps", "part"),
    [(12_800, 1_000, 1_280), (1, 4_999, 0), (1, 5_000, 1), (3, 1_667, 1), (999, 10_000, 999), (0, 10_000, 0)],
)
def test_a_share_is_rounded_half_up(amount_fen: int, rate_bps: int, part: int) -> None:
    assert share(amount_fen, rate_bps) == part


@pytest.mark.parametrize(
    ("amount_fen", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (1, [1, 99], [0, 1]),
        (2, [1, 1, 1], [1, 1, 0]),
        (7, [0, 5], [0, 7]),
        (0, [3], [0]),
    ],
)
def test_the_odd_fen_goes_to_the_largest_remainder_then_the_earlier(
    amount_fen: int, weights: list[int], parts: list[int]
) -> None:
    assert split(amount_fen, weights) == parts


def test_three_part_refunds_take_back_the_whole_commission() -> None:
    paid_fen, rate_bps = 1_999, 750
    steps = [clawed_back(paid_fen=paid_fen, refunded_fen=fen, rate_bps=rate_bps) for fen in (666, 1_332, 1_999)]
    assert steps == [50, 100, 150]
    assert share(paid_fen, rate_bps) == 150


def test_three_units_for_ten_yuan_come_back_as_they_were_paid() -> None:
    worth = [refund_of_units(paid_fen=1_000, quantity=3, refunded_quantity=n, units=1) for n in range(3)]
    assert worth == [333, 334, 333]


def test_a_china_day_begins_at_sixteen_hours_utc() -> None:
    start, end = china_day(datetime(2026, 11, 21, tzinfo=UTC).date())
    assert rfc3339(start) == "2026-11-20T16:00:00.000Z"
    assert rfc3339(end) == "2026-11-21T16:00:00.000Z"


def test_an_order_number_says_the_china_date() -> None:
    number = order_number(new_id(), datetime(2026, 11, 20, 16, 0, tzinfo=UTC))
    assert number.startswith("261121")
    assert len(number) == 18
    assert number.isalnum()
