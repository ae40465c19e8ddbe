"""The ledger: double entry, append-only; what we hold and what we owe to whom.

Every entry belongs to a `book` (a legal entity) and has a `unit`. A verb builds a `Transfer` and `post`s it in its own
transaction; entries of a transfer sum to zero per book and unit, which a deferred trigger enforces; updates and deletes
raise. Paying touches accounts with entries only; balance rows exist for payees alone.
"""

from app.ledger.errors import BalanceTooLow, Unbalanced
from app.ledger.schemas import Account, Entry, Standing, Transfer, Unit, credit, debit
from app.ledger.transfers import entries_about, post, standing_of

__all__ = [
    "Account",
    "BalanceTooLow",
    "Entry",
    "Standing",
    "Transfer",
    "Unbalanced",
    "Unit",
    "credit",
    "debit",
    "entries_about",
    "post",
    "standing_of",
]
