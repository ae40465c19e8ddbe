"""Value types of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID


class Unit(StrEnum):
    CNY_FEN = "CNY_FEN"
    POINTS = "PTS"


class Account(StrEnum):
    """The chart of accounts. What each fact posts is listed in `docs/ledger.md`."""

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
    {Account.PAYEE_AVAILABLE, Account.PAYEE_WITHDRAWING, Account.CUSTOMER_COINS, Account.CUSTOMER_POINTS}
)
ASSETS_WITH_BALANCE = frozenset({Account.PAYEE_DEBT, Account.POINTS_DEBT})
WITH_BALANCE = LIABILITIES_WITH_BALANCE | ASSETS_WITH_BALANCE
"""Accounts that keep a balance row per owner; all others have entries only, so that paying touches no hot row."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One leg. `amount_fen` above 0 is a debit, below 0 a credit. `subject` is what the entry is about: the order,
    charge, refund or tip; `owner` is the payee or customer whose account it is, None for the brand's own."""

    account: Account
    amount_fen: int
    subject: UUID
    owner: UUID | None = None


def debit(account: Account, amount_fen: int, subject: UUID, owner: UUID | None = None) -> Entry:
    assert amount_fen >= 0
    return Entry(account, amount_fen, subject, owner)


def credit(account: Account, amount_fen: int, subject: UUID, owner: UUID | None = None) -> Entry:
    assert amount_fen >= 0
    return Entry(account, -amount_fen, subject, owner)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a payee has with us, in fen. `debt_fen` is what claw-backs took beyond the balance; `paid_out_fen` is what
    left us for good, with the tax withheld from it."""

    held_fen: int
    available_fen: int
    withdrawing_fen: int
    debt_fen: int
    paid_out_fen: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Entries that are written together and sum to zero. `(kind, key)` is unique: a fact is posted once."""

    book: str
    kind: str
    key: str
    entries: Sequence[Entry]
    unit: Unit = field(default=Unit.CNY_FEN)
