"""The ledger: double entry, append-only; what we hold and what we owe to whom.

Every entry belongs to a `book` (a legal entity) and has a `unit`. A function builds a `Transfer` and `post`s it in its own
transaction; entries of a transfer sum to zero per book and unit, which a trigger enforces; updates and deletes raise.
Many transfers of one kind, each an amount from one account to another, are `Move`s. Paying touches accounts with entries
only; balance rows exist for payees alone.
"""

from app.ledger.errors import BalanceTooLow, Unbalanced
from app.ledger.schemas import OF_PAYEES, Account, Entry, Move, Standing, Transfer, Unit, credit, debit
from app.ledger.transfers import PostedEntry, entries_about, lock_balance, post, post_moves, standing_of

__all__ = [
    "OF_PAYEES",
    "Account",
    "BalanceTooLow",
    "Entry",
    "Move",
    "PostedEntry",
    "Standing",
    "Transfer",
    "Unbalanced",
    "Unit",
    "credit",
    "debit",
    "entries_about",
    "lock_balance",
    "post",
    "post_moves",
    "standing_of",
]
