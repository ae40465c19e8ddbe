"""The pure rules of commission."""

from hypothesis import given
from hypothesis import strategies as st

from app.core import money
from app.core.ids import new_id
from app.distribution.rules import Terms, claw, earnings
from tests.modules.stores.chain import a_credit

rates = st.integers(0, 5_000)
amounts = st.integers(0, 10_000_000)


@given(amounts, rates, st.lists(st.integers(1, 3_000_000), max_size=20))
def test_any_series_of_part_refunds_leaves_what_the_rest_would_have_earned(
    base_fen: int, rate_bps: int, wishes: list[int]
) -> None:
    earned = money.share(base_fen, rate_bps)
    clawed = refunded = 0
    for wish in [*wishes, base_fen]:
        refunded += min(wish, base_fen - refunded)
        taken = claw(base_fen=base_fen, refunded_fen=refunded, rate_bps=rate_bps, clawed_back_fen=clawed)
        assert taken >= 0
        clawed += taken
        assert earned - clawed == money.share(base_fen - refunded, rate_bps)
    assert clawed == earned


@given(amounts, rates, rates, st.booleans(), st.booleans())
def test_at_most_two_levels_earn_and_never_zero(
    base_fen: int, level1_bps: int, level2_bps: int, has_distributor: bool, has_upline: bool
) -> None:
    line_id, distributor_id, upline_id = new_id(), new_id(), new_id()
    credit = a_credit(
        line_id,
        distributor_id=distributor_id if has_distributor else None,
        upline_id=upline_id if has_upline else None,
    )
    found = earnings(Terms(level1_bps=level1_bps, level2_bps=level2_bps), credit, base_fen)
    assert len(found) <= 2
    assert all(earning.amount_fen > 0 for earning in found)
    assert {(e.level, e.distributor_id) for e in found} <= {(1, distributor_id), (2, upline_id)}
    assert sum(e.amount_fen for e in found) <= base_fen + 1
    if not has_distributor:
        assert found == []
