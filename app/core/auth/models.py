"""Tables of logins."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlmodel import Field

from app.core.tables import Table, created_at, moment, text


class TokenFamily(Table, table=True):
    """One login: all access and refresh tokens that descend from it. Staff requests read their scope here."""

    __tablename__ = "auth_family"

    id: UUID = Field(primary_key=True)
    kind: str = text()
    subject_id: UUID = Field(index=True)
    role: str | None = text(default=None)
    scope_path: str = text()
    opened_at: datetime = created_at()
    revoked_at: datetime | None = moment(default=None)


class RefreshToken(Table, table=True):
    """A refresh token by its SHA-256. It is used once; using it again ends the family."""

    __tablename__ = "auth_refresh"

    token_hash: bytes = Field(sa_type=LargeBinary, primary_key=True)
    family_id: UUID = Field(foreign_key="auth_family.id", index=True)
    expires_at: datetime = moment(index=True)
    used_at: datetime | None = moment(default=None)
