"""Payees: what we owe to people, held until it may go out, whatever it is for.

Commissions and tips (later gifts and store shares) hold money here under a `source` and an id of their own, and take it
back here; one row of a hold says what of it is still there and in which state, and the ledger has the same money on the
payee's accounts. Releasing and paying out work on holds alone, so that what earned the money need not know of them.
"""

from app.payees.holds import (
    Clawback,
    ClawbackRow,
    Gate,
    Hold,
    HoldRow,
    HoldStatus,
    claw_back,
    clawbacks_of,
    hold,
    holds_of,
    list_holds,
    transfers_of,
)
from app.payees.standing import Standing, standing_of

__all__ = [
    "Clawback",
    "ClawbackRow",
    "Gate",
    "Hold",
    "HoldRow",
    "HoldStatus",
    "Standing",
    "claw_back",
    "clawbacks_of",
    "hold",
    "holds_of",
    "list_holds",
    "standing_of",
    "transfers_of",
]
