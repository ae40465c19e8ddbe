"""Arithmetic on fen: parts sum to the whole, and any series of part refunds ends exact."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import new_id
from app.core.money import WHOLE_BPS, clawed_back, share, split
from app.mall.aftersales.rules import refund_of_units
from app.mall.promotions.rules import Price, PricedLine

FEN = st.integers(0, 10**12)
BPS = st.integers(0, WHOLE_BPS)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


@given(FEN, WEIGHTS.filter(any))
def test_split_parts_sum_to_the_whole_and_are_fair(amount_fen: int, weights: list[int]) -> None:
    parts = split(amount_fen, weights)
    assert sum(parts) == amount_fen
    assert min(parts) >= 0
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount_fen * weight, sum(weights))) < 1
        assert weight > 0 or part == 0


@given(FEN, WEIGHTS.filter(any))
def test_of_two_equal_weights_the_earlier_gets_the_odd_fen(amount_fen: int, weights: list[int]) -> None:
    parts = split(amount_fen, [*weights, *weights])
    assert all(first >= second for first, second in zip(parts, parts[len(weights) :], strict=False))


def test_split_by_nothing() -> None:
    assert split(0, [0, 0]) == [0, 0]
    assert split(0, []) == []
    with pytest.raises(ValueError, match="nothing"):
        split(1, [0, 0])


@given(FEN, BPS)
def test_share_is_the_exact_part_rounded_half_up(amount_fen: int, rate_bps: int) -> None:
    exact = Fraction(amount_fen * rate_bps, WHOLE_BPS)
    assert -Fraction(1, 2) < share(amount_fen, rate_bps) - exact <= Fraction(1, 2)
    assert 0 <= share(amount_fen, rate_bps) <= amount_fen


@given(FEN, FEN, BPS)
def test_share_never_falls_when_the_amount_grows(one: int, other: int, rate_bps: int) -> None:
    assert share(min(one, other), rate_bps) <= share(max(one, other), rate_bps)


@given(st.data(), st.integers(0, 10**9), BPS)
def test_claw_back_of_any_series_of_refunds_ends_exact(data: st.DataObject, paid_fen: int, rate_bps: int) -> None:
    steps = [*data.draw(st.lists(st.integers(0, paid_fen), max_size=12).map(sorted)), paid_fen]
    taken, before = 0, 0
    for refunded_fen in steps:
        part = clawed_back(paid_fen=paid_fen, refunded_fen=refunded_fen, rate_bps=rate_bps) - clawed_back(
            paid_fen=paid_fen, refunded_fen=before, rate_bps=rate_bps
        )
        assert part >= 0
        taken, before = taken + part, refunded_fen
    assert taken == share(paid_fen, rate_bps), "when all is refunded nothing of the commission is left"


@given(st.data(), st.integers(0, 10**11), st.integers(1, 999))
def test_refunds_of_units_come_to_what_was_paid(data: st.DataObject, paid_fen: int, quantity: int) -> None:
    refunded, sum_fen = 0, 0
    while refunded < quantity:
        units = data.draw(st.integers(1, quantity - refunded))
        part = refund_of_units(paid_fen=paid_fen, quantity=quantity, refunded_quantity=refunded, units=units)
        assert part >= 0
        assert abs(part - Fraction(paid_fen * units, quantity)) <= 1
        refunded, sum_fen = refunded + units, sum_fen + part
    assert sum_fen == paid_fen


def price_of(lines: list[tuple[int, int]], freight_fen: int) -> Price:
    return Price(
        lines=[
            PricedLine(
                sku_id=new_id(),
                product_id=new_id(),
                title="",
                sku_title="",
                picture=None,
                quantity=quantity,
                list_fen=list_fen,
                available=0,
            )
            for list_fen, quantity in lines
        ],
        freight_fen=freight_fen,
    )


@given(st.lists(st.tuples(st.integers(1, 10**8), st.integers(1, 99)), min_size=1, max_size=50), st.integers(0, 10**6))
def test_a_price_is_what_its_units_cost_one_by_one(lines: list[tuple[int, int]], freight_fen: int) -> None:
    counted_fen = freight_fen
    for list_fen, quantity in lines:
        for _ in range(quantity):
            counted_fen += list_fen
    assert price_of(lines, freight_fen).payable_fen == counted_fen
    apart_fen = [price_of([line], 0).payable_fen for line in lines]
    assert sum(apart_fen) + freight_fen == counted_fen, "bought apart they cost the same"
