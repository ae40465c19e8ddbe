"""Pure rules of live rooms."""

from dataclasses import dataclass

from app.core import money


@dataclass(frozen=True, slots=True)
class TipParts:
    """Who gets what of a tip, in fen. The parts sum to the tip."""

    host_fen: int
    store_fen: int
    brand_fen: int


def tip_parts(amount_fen: int, *, host_bps: int, store_bps: int) -> TipParts:
    """Divide a tip: the host's and the store's shares, and the rest for the brand."""
    return TipParts(*money.split(amount_fen, [host_bps, store_bps, money.WHOLE_BPS - host_bps - store_bps]))
