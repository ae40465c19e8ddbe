"""Tables of the ledger. Entries are append-only and balanced by triggers, whatever the code above does."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlmodel import Field

from app.core.tables import Table, fen, made_at, text


class LedgerTransfer(Table, table=True):
    """A fact about money, posted once."""

    __tablename__ = "ledger_transfer"
    __table_args__ = (UniqueConstraint("kind", "key"),)

    id: UUID = Field(primary_key=True)
    kind: str = text()
    key: str = text()
    posted_at: datetime = made_at()


class LedgerEntry(Table, table=True):
    """One leg of a transfer: debit above 0, credit below."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount_fen <> 0", name="amount_not_zero"),
        Index("ledger_entry_subject_account_idx", "subject", "account"),
        Index("ledger_entry_owner_idx", "owner", "account", postgresql_where=sql("owner IS NOT NULL")),
    )

    id: int | None = Field(None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    transfer_id: UUID = Field(foreign_key="ledger_transfer.id", index=True)
    book: str = text()
    unit: str = text()
    account: str = text()
    subject: UUID
    owner: UUID | None = None
    amount_fen: int = fen()


class LedgerBalance(Table, table=True):
    """What one owner has on an account that keeps balances. It equals the owner's entries, checked by the audit."""

    __tablename__ = "ledger_balance"
    __table_args__ = (CheckConstraint("balance_fen >= 0", name="balance_not_negative"),)

    account: str = text(primary_key=True)
    book: str = text(primary_key=True)
    unit: str = text(primary_key=True)
    owner: UUID = Field(primary_key=True)
    balance_fen: int = fen()
