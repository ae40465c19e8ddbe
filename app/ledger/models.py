"""Tables of the ledger. Triggers keep it whatever the code above does: nothing written is changed, and the entries of each
statement sum to zero and belong to transfers that exist."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from app.core.tables import Table, created_at, fen, text


class LedgerTransfer(Table, table=True):
    """Something that moved money, posted once."""

    __tablename__ = "ledger_transfer"
    __table_args__ = (UniqueConstraint("kind", "key"),)

    id: UUID = Field(primary_key=True)
    kind: str = text()
    key: str = text()
    posted_at: datetime = created_at()


class LedgerEntry(Table, table=True):
    """One leg of a transfer: debit above 0, credit below.

    That the transfer exists is checked by the trigger that adds the entries up, once per transfer: transfers never go, and
    a foreign key would look for it with every entry, and lock it.
    """

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount_fen <> 0", name="amount_not_zero"),
        Index("ledger_entry_subject_account_idx", "subject", "account"),
        Index("ledger_entry_owner_idx", "owner", "account", postgresql_where=sql("owner IS NOT NULL")),
    )

    id: int | None = Field(None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    transfer_id: UUID = Field(index=True)
    book: str = text()
    unit: str = text()
    account: str = text()
    subject: UUID
    owner: UUID | None = None
    amount_fen: int = fen()


class LedgerBalance(Table, table=True):
    """What one owner has on an account that keeps balances. It equals the owner's entries, checked by the audit."""

    __tablename__ = "ledger_balance"
    __table_args__ = (
        CheckConstraint("balance_fen >= 0", name="balance_not_negative"),
        Index("ledger_balance_owner_idx", "owner"),
    )

    account: str = text(primary_key=True)
    book: str = text(primary_key=True)
    unit: str = text(primary_key=True)
    owner: UUID = Field(primary_key=True)
    balance_fen: int = fen()
