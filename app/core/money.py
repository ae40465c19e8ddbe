"""Arithmetic on fen. Money is a whole number of fen everywhere; rates are whole basis points (1/10,000)."""

from collections.abc import Sequence

WHOLE_BPS = 10_000


def share(amount_fen: int, rate_bps: int) -> int:
    """`rate_bps` of `amount_fen`, rounded half up. Both at least 0."""
    assert amount_fen >= 0
    assert rate_bps >= 0
    return (amount_fen * rate_bps + WHOLE_BPS // 2) // WHOLE_BPS


def split(amount_fen: int, weights: Sequence[int]) -> list[int]:
    """Divide `amount_fen` by `weights` so that the parts sum to the whole.

    Largest remainder: each part is within one fen of its exact share, none is negative, and equal remainders go to
    the earlier part. With all weights 0 and something to divide it raises ValueError.
    """
    assert amount_fen >= 0
    assert all(weight >= 0 for weight in weights)
    total = sum(weights)
    if total == 0:
        if amount_fen:
            raise ValueError("nothing to divide by")
        return [0] * len(weights)
    parts = [amount_fen * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount_fen * weights[i] % total), i))
    for i in by_remainder[: amount_fen - sum(parts)]:
        parts[i] += 1
    return parts


def clawed_back(*, paid_fen: int, refunded_fen: int, rate_bps: int) -> int:
    """What of `share(paid_fen, rate_bps)` is to be taken back in all once `refunded_fen` of it is refunded.

    Cumulative, so any series of part refunds ends exact: when everything is refunded nothing is left.
    """
    assert 0 <= refunded_fen <= paid_fen
    return share(paid_fen, rate_bps) - share(paid_fen - refunded_fen, rate_bps)
