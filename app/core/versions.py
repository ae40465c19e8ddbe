"""Versioned rules: what money depends on is only ever added to, and evaluated as of a moment.

    class TipRule(Version, frozen=True, kw_only=True):
        host_bps: int

    TIP_RULES = Versioned(TipRuleRow, TipRule, TipRuleId, default=TipRule(host_bps=5_000))

A version counts from the moment it is added, by the database's clock, until the next one. What an order earns anybody is
decided by the version as of its `placed_at`, so that no later change moves money of what was placed before.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import func
from sqlmodel import SQLModel

from app.core.db import Listing, Session, Statement
from app.core.ids import new_id
from app.core.paging import Page, Paging
from app.core.tables import moment


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """The columns that every version has. All three are None for the default that counts before the first version."""

    id: UUID | None = None
    valid_from: datetime | None = None
    created_by: UUID | None = None


def valid_from() -> Any:
    """The column that says from when on a version counts: when it was added, by the database's clock."""
    return moment(default=None, index=True, nullable=False, sa_column_kwargs={"server_default": func.clock_timestamp()})


V = TypeVar("V", bound=Version)
U = TypeVar("U")


class Versioned(Generic[V]):
    """The versions of one rule, in a table whose columns are the fields of `version`.

    `default` counts as long as there is no version; `id_type` is the kind of id that their pages are read by.
    """

    def __init__(self, table: type[SQLModel], version: type[V], id_type: Any, *, default: V) -> None:
        columns = table.__table__.columns  # type: ignore[attr-defined]  # SQLModel's tables have one
        unknown = set(version.__struct_fields__) - set(columns.keys())
        assert not unknown, f"{table.__name__} has no {', '.join(sorted(unknown))}"
        self.default = default
        self._id_type = id_type
        self._own = [name for name in version.__struct_fields__ if name not in Version.__struct_fields__]
        read = f"SELECT {', '.join(version.__struct_fields__)} FROM {table.__tablename__}"
        written = ["id", "created_by", *self._own]
        self._add = Statement(
            f"""INSERT INTO {table.__tablename__} ({", ".join(written)})
                VALUES ({", ".join(f":{name}" for name in written)})
                RETURNING {", ".join(version.__struct_fields__)}""",
            version,
        )
        self._page = Listing(
            f"{read} WHERE {{filters}} ORDER BY valid_from DESC, id DESC LIMIT :limit",
            version,
            filters={
                "after": f"(valid_from, id) < (SELECT valid_from, id FROM {table.__tablename__} WHERE id = :after)"
            },
        )
        self._until = Statement(f"{read} WHERE valid_from <= :moment ORDER BY valid_from, id", version)
        self._newest = Statement(
            f"{read} WHERE valid_from <= :moment ORDER BY valid_from DESC, id DESC LIMIT 1", version
        )
        self._current = Statement(f"{read} ORDER BY valid_from DESC, id DESC LIMIT 1", version)
        self._by_id = Statement(f"{read} WHERE id = :id", version)

    async def add(self, session: Session, version: V, *, created_by: UUID) -> V:
        """Add a version with the values of this one; it counts from now on."""
        values = {name: getattr(version, name) for name in self._own}
        return await self._add.one(session, id=new_id(), created_by=created_by, **values)

    async def page(self, session: Session, paging: Paging, view: Callable[[V], U]) -> Page[U]:
        """All versions, newest first. Raises CursorInvalid."""
        return await paging.read(session, self._id_type, self._page, view)

    async def until(self, session: Session, moment: datetime) -> list[V]:
        """The versions that began by a moment, oldest first, for `at`."""
        return await self._until.all(session, moment=moment)

    def at(self, versions: Sequence[V], moment: datetime) -> V:
        """The newest of these versions that began by a moment, else the default. They are in the order of `until`."""
        began = [one for one in versions if one.valid_from is not None and one.valid_from <= moment]
        return began[-1] if began else self.default

    async def as_of(self, session: Session, moment: datetime) -> V:
        """The version that counts at a moment, else the default."""
        return await self._newest.first(session, moment=moment) or self.default

    async def current(self, session: Session) -> V:
        """The version that counts now, else the default: each counts from when it was added."""
        return await self._current.first(session) or self.default

    async def by_id(self, session: Session, version_id: UUID | None) -> V:
        """The version with that id; the default for None."""
        return self.default if version_id is None else await self._by_id.one(session, id=version_id)
