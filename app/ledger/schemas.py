"""Value types of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

import msgspec


class Unit(StrEnum):
    CNY_FEN = "CNY_FEN"
    POINTS = "PTS"


class Account(StrEnum):
    """The chart of accounts. What is posted when is listed in `docs/ledger.md`."""

    WECHAT_PENDING = "wechat_pending"
    WECHAT_AVAILABLE = "wechat_available"
    BANK = "bank"
    CUSTOMER_PREPAID = "customer_prepaid"
    REFUNDS_DUE = "refunds_due"
    TIPS_UNALLOTTED = "tips_unallotted"
    PAYEE_HELD = "payee_held"
    TAX_WITHHELD = "tax_withheld"
    SUSPENSE = "suspense"
    SALES = "sales"
    OTHER_INCOME = "other_income"
    PAYOUT_COST = "payout_cost"
    FEE_COST = "fee_cost"
    SUBSIDY_COST = "subsidy_cost"
    POINTS_ISSUED = "points_issued"
    PAYEE_AVAILABLE = "payee_available"
    PAYEE_WITHDRAWING = "payee_withdrawing"
    PAYEE_DEBT = "payee_debt"
    CUSTOMER_COINS = "customer_coins"
    CUSTOMER_POINTS = "customer_points"
    POINTS_DEBT = "points_debt"


LIABILITIES_WITH_BALANCE = frozenset(
    {
        Account.PAYEE_HELD,
        Account.PAYEE_AVAILABLE,
        Account.PAYEE_WITHDRAWING,
        Account.CUSTOMER_COINS,
        Account.CUSTOMER_POINTS,
    }
)
ASSETS_WITH_BALANCE = frozenset({Account.PAYEE_DEBT, Account.POINTS_DEBT})
OF_PAYEES = (Account.PAYEE_HELD, Account.PAYEE_AVAILABLE, Account.PAYEE_WITHDRAWING, Account.PAYEE_DEBT)
IN_POINTS = frozenset({Account.POINTS_ISSUED, Account.CUSTOMER_POINTS, Account.POINTS_DEBT})
WITH_BALANCE = LIABILITIES_WITH_BALANCE | ASSETS_WITH_BALANCE
"""Accounts on which each entry belongs to somebody, with a balance row per owner; all others have entries only, so that
paying touches no hot row."""


class Entry(msgspec.Struct, frozen=True):
    """One leg. `amount_fen` above 0 is a debit, below 0 a credit. `subject` is what the entry is about: the order,
    charge, refund or tip; `owner` is the payee or customer whose account it is, None for the brand's own."""

    account: Account
    amount_fen: int
    subject: UUID
    owner: UUID | None = None


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer that moves an amount from one account to another; see `post_moves`."""

    book: str
    key: str
    subject: UUID
    owner: UUID
    amount_fen: int


def debit(account: Account, amount_fen: int, subject: UUID, owner: UUID | None = None) -> Entry:
    assert amount_fen >= 0
    return Entry(account, amount_fen, subject, owner)


def credit(account: Account, amount_fen: int, subject: UUID, owner: UUID | None = None) -> Entry:
    assert amount_fen >= 0
    return Entry(account, -amount_fen, subject, owner)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a payee has with us, in fen. `debt_fen` is what clawbacks took beyond the balance; `paid_out_fen` is what
    left us for good, with the tax withheld from it."""

    held_fen: int
    available_fen: int
    withdrawing_fen: int
    debt_fen: int
    paid_out_fen: int


class Transfer(msgspec.Struct, frozen=True):
    """Entries that are written together and sum to zero. `(kind, key)` is unique: nothing is posted twice."""

    book: str
    kind: str
    key: str
    entries: Sequence[Entry]
    unit: Unit = Unit.CNY_FEN
