"""Tables of core that belong to no sub-folder, and the one place that knows them all."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field, SQLModel

from app.core.auth.models import RefreshToken, TokenFamily
from app.core.events.models import CursorRow, DeadLetterRow, EventRow, OutboxRow
from app.core.tables import Table, created_at, moment, text


class JobDone(Table, table=True):
    """A key that `jobs.once` has seen committed."""

    __tablename__ = "job_done"

    key: str = text(primary_key=True)
    done_at: datetime = created_at()


class IdempotencyRecord(Table, table=True):
    """A used key. `body` is null until the reply is known; `lease_until` says how long its owner may take."""

    __tablename__ = "idempotency_key"

    actor: str = text(primary_key=True)
    key: str = text(primary_key=True)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    subject: UUID
    status: int | None = None
    body: bytes | None = Field(None, sa_type=LargeBinary)
    lease_until: datetime = moment()
    created_at: datetime = moment(index=True)


TABLES: list[type[SQLModel]] = [
    CursorRow,
    DeadLetterRow,
    EventRow,
    IdempotencyRecord,
    JobDone,
    OutboxRow,
    RefreshToken,
    TokenFamily,
]
