"""Errors of the ledger.

* Conflict
  + BalanceTooLow     the owner's balance does not cover the transfer
* RuntimeError
  + Unbalanced        a function built entries that do not sum to zero: a bug
"""

from app.core.errors import Conflict


class BalanceTooLow(Conflict):
    """The account's balance does not cover this."""

    status_code = 402
    en = "The balance does not cover this amount."
    zh = "余额不足。"


class Unbalanced(RuntimeError):
    """Entries of a transfer do not sum to zero."""
