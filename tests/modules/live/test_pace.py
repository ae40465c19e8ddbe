"""How often rooms send: fast on an idle core, within a share of a busy one, and not slower than need be beside others."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.live.gateway.pace import (
    BUSY_GOAL,
    PER_VIEWER_S,
    TICK_CEILING_S,
    TICK_FLOOR_S,
    Load,
    Pace,
    adapted,
    tick_of,
)

FRAME_S = 6e-6
"""What writing one frame to one viewer takes of a core."""


def ticks(viewers: int, *, other: float = 0.0, waiting: float = 0.0, from_s: float = PER_VIEWER_S) -> list[float]:
    """Ticks of a room that always has something to send, look after look, beside other work of the process."""
    per_viewer_s, found = from_s, []
    for _ in range(20):
        found.append(tick_of(viewers, per_viewer_s))
        sending = min(1.0 - other, viewers * FRAME_S / found[-1])
        per_viewer_s += (adapted(per_viewer_s, Load(sending, other, waiting)) - per_viewer_s) / 3
    return found


def share_of(tick_s: float) -> float:
    """Of a core, for a thousand viewers."""
    return 1_000 * FRAME_S / tick_s


@pytest.mark.parametrize("viewers", [0, 1, 100, 600])
def test_a_room_that_leaves_the_core_idle_sends_every_ten_milliseconds(viewers: int) -> None:
    assert ticks(viewers)[-1] == pytest.approx(TICK_FLOOR_S)


@pytest.mark.parametrize("viewers", [1_000, 5_000, 20_000])
def test_a_large_room_takes_its_share_of_the_core_and_no_more(viewers: int) -> None:
    found = ticks(viewers)
    assert found[0] == tick_of(viewers, PER_VIEWER_S)
    assert found == sorted(found, reverse=True), "no overshoot"
    assert viewers * FRAME_S / found[-1] == pytest.approx(BUSY_GOAL, rel=0.02)


def test_what_else_the_process_does_makes_the_tick_longer() -> None:
    assert share_of(ticks(1_000, other=0.2)[-1]) == pytest.approx(BUSY_GOAL - 0.2, rel=0.05)


def test_a_process_that_is_overloaded_by_others_work_still_sends_a_quarter() -> None:
    found = ticks(1_000, other=0.7)
    assert share_of(found[-1]) == pytest.approx(BUSY_GOAL / 4, rel=0.05)
    assert max(found) < TICK_CEILING_S / 10, "thousands who join at once do not silence a room"


def test_waiting_for_a_core_that_others_use_makes_the_tick_no_longer_than_it_began() -> None:
    assert ticks(1_000, waiting=0.9)[-1] == pytest.approx(tick_of(1_000, PER_VIEWER_S))
    assert ticks(100, waiting=0.9)[-1] == TICK_FLOOR_S


def test_a_burst_after_a_silence_is_paced_within_a_second() -> None:
    silent = adapted(PER_VIEWER_S, Load(0.0, 0.0, 0.0))
    found = ticks(20_000, from_s=silent)
    assert found[0] < 0.25
    assert 20_000 * FRAME_S / found[9] <= BUSY_GOAL * 1.1


shares = st.floats(min_value=0, max_value=1)


@given(st.integers(min_value=0, max_value=100_000), st.floats(min_value=0, max_value=1), shares, shares, shares)
def test_a_tick_stays_within_its_bounds(
    viewers: int, per_viewer_s: float, sending: float, other: float, waiting: float
) -> None:
    found = adapted(per_viewer_s, Load(sending, other, waiting))
    assert TICK_FLOOR_S <= tick_of(viewers, found) <= TICK_CEILING_S
    assert found >= adapted(per_viewer_s, Load(sending, other, 0.0)), "others never make it shorter"


def test_the_pace_looks_at_the_account_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, used_ns = 100.0, 0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(Pace, "_read_account", lambda _: (used_ns, 0))
    pace = Pace()
    before = pace.tick(1_000)
    now_s, used_ns = 100.05, 50_000_000
    pace.sent(used_ns)
    assert pace.tick(1_000) == before, "too early to look"
    now_s, used_ns = 100.2, 200_000_000
    pace.sent(150_000_000)
    busy = pace.tick(1_000)
    assert busy > before
    now_s = 110.0
    assert pace.tick(1_000) == pytest.approx(TICK_FLOOR_S, rel=0.5), "a long silence counts for more than one look"
    pace.close()


def test_the_account_is_this_process_own() -> None:
    pace = Pace()
    before = pace._read_account()
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    used_ns, waited_ns = (after - earlier for after, earlier in zip(pace._read_account(), before, strict=True))
    assert 20_000_000 < used_ns < 500_000_000
    assert waited_ns >= 0
    pace.close()
    assert pace._read_account()[1] == 0, "what every system can tell"
