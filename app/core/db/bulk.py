"""Many rows in one statement, with the columns of their table."""

from collections.abc import Callable, Collection, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from app.core.db.json import Json
from app.core.db.session import Session
from app.core.db.statements import Statement

R = TypeVar("R", bound=msgspec.Struct)

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


class BulkInsert(Generic[R]):
    """`INSERT` of any number of `row` structs into a table.

    The struct's fields, but for those `without`, are the columns; the table says their types, and what the struct leaves
    out has its default. `conflict` is an `ON CONFLICT …` clause.
    """

    def __init__(
        self, table: type[SQLModel], row: type[R], *, without: Collection[str] = (), conflict: str = ""
    ) -> None:
        columns = table.__table__.columns  # type: ignore[attr-defined]  # SQLModel's tables have one
        self._fields = tuple(name for name in row.__struct_fields__ if name not in without)
        unknown = set(self._fields) - set(columns.keys())
        assert not unknown, f"{table.__name__} has no {', '.join(sorted(unknown))}"
        self._types = [columns[name].type for name in self._fields]
        self._readers = [_reader(name, kind) for name, kind in zip(self._fields, self._types, strict=True)]
        self._table = columns[self._fields[0]].table.name
        self._conflict = conflict
        self.statement = Statement(self.sql())

    def sql(self, prefix: str = "") -> str:
        """The statement, its parameters named after the columns behind `prefix`."""
        kinds = [kind.compile(dialect=_DIALECT) for kind in self._types]
        arrays = ", ".join(f":{prefix}{name}::{kind}[]" for name, kind in zip(self._fields, kinds, strict=True))
        names = ", ".join(f'"{name}"' for name in self._fields)
        return f"INSERT INTO {self._table} ({names}) SELECT * FROM unnest({arrays}) {self._conflict}"

    def values(self, rows: Sequence[R], prefix: str = "") -> dict[str, list[Any]]:
        """The parameters for these rows."""
        return {prefix + name: list(map(read, rows)) for name, read in zip(self._fields, self._readers, strict=True)}

    async def run(self, session: Session, rows: Sequence[R]) -> int:
        """How many rows were written; none for no rows."""
        return await self.statement.run(session, **self.values(rows)) if rows else 0


def _reader(name: str, kind: Any) -> Callable[[Any], Any]:
    """What reads a column's value from a row. The driver takes a list inside an array for another dimension of it."""
    read = attrgetter(name)
    return (lambda row: Json(read(row))) if isinstance(kind, JSONB) else read


class BulkInsertTogether(Generic[R]):
    """Rows of a table and of the one that points to it, in one statement."""

    def __init__(self, first: BulkInsert[R], second: BulkInsert[Any]) -> None:
        self._first, self._second = first, second
        self.statement = Statement(f"WITH first AS ({first.sql('a_')}) {second.sql('b_')}")

    async def run(self, session: Session, first: Sequence[R], second: Sequence[Any]) -> None:
        """Write both."""
        await self.statement.run(session, **self._first.values(first, "a_"), **self._second.values(second, "b_"))
