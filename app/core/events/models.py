"""Tables of the event log."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.tables import Table, created_at, moment, text


class OutboxRow(Table, table=True):
    """A published event whose transaction may still be open. Its id orders events of one stream only."""

    __tablename__ = "event_outbox"

    id: int | None = Field(None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    type: str = text()
    stream: UUID
    payload: dict[str, object] = Field(sa_type=JSONB)
    published_at: datetime = created_at()


class EventRow(Table, table=True):
    """An event with its number. `seq` has no gaps."""

    __tablename__ = "event"

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    type: str = text()
    stream: UUID
    payload: dict[str, object] = Field(sa_type=JSONB)
    published_at: datetime = moment()


class CursorRow(Table, table=True):
    """How far one reader of the log has come. The row `sequencer` holds the last number given."""

    __tablename__ = "event_cursor"

    consumer: str = text(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
    moved_at: datetime = created_at()


class DeadLetterRow(Table, table=True):
    """An event that one consumer could not apply or send, or that waits behind such a one (then `error` is null)."""

    __tablename__ = "event_dead_letter"
    __table_args__ = (
        UniqueConstraint("consumer", "seq"),
        Index("event_dead_letter_resolved_idx", "resolved_at", postgresql_where=sql("resolved_at IS NOT NULL")),
        Index("event_dead_letter_open_idx", "consumer", "stream", "seq", postgresql_where=sql("resolved_at IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    consumer: str = text()
    seq: int = Field(sa_type=BigInteger)
    stream: UUID
    type: str = text()
    error: str | None = text(default=None)
    attempts: int = 0
    created_at: datetime = created_at()
    resolved_at: datetime | None = moment(default=None)
