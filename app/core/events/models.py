"""Tables of the event log."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.core.tables import Table, made_at, moment, text


class EventInbox(Table, table=True):
    """A published fact whose transaction may still be open. Its id orders facts of one stream only."""

    __tablename__ = "event_inbox"

    id: int | None = Field(None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    type: str = text()
    stream: UUID
    payload: dict[str, object] = Field(sa_type=JSONB)
    published_at: datetime = made_at()


class Event(Table, table=True):
    """A fact with its number. `seq` has no gaps."""

    __tablename__ = "event"

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    type: str = text()
    stream: UUID
    payload: dict[str, object] = Field(sa_type=JSONB)
    published_at: datetime = moment()


class EventCursor(Table, table=True):
    """How far one reader of the log has come. The row `sequencer` holds the last number given."""

    __tablename__ = "event_cursor"

    consumer: str = text(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
    moved_at: datetime = made_at()


class EventParked(Table, table=True):
    """A fact that one consumer could not apply or send, or that waits behind such a one (then `error` is null)."""

    __tablename__ = "event_parked"
    __table_args__ = (
        UniqueConstraint("consumer", "seq"),
        Index("event_parked_open_idx", "consumer", "stream", "seq", postgresql_where=sql("resolved_at IS NULL")),
    )

    id: UUID = Field(primary_key=True)
    consumer: str = text()
    seq: int = Field(sa_type=BigInteger)
    stream: UUID
    type: str = text()
    error: str | None = text(default=None)
    attempts: int = 0
    parked_at: datetime = made_at()
    resolved_at: datetime | None = moment(default=None)
