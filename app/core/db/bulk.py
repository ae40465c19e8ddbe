"""Many rows in one statement, with the columns of their table."""

from collections.abc import Callable, Collection, Sequence
from functools import cache
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

    def later(self, session: Session, rows: Sequence[R]) -> None:
        """Write the rows with the transaction's next statement or its commit, whatever comes first.

        What is left for later goes to the database in one statement, however many tables it is for; so write where
        nothing is read in between. A constraint that the rows break is raised by that statement.
        """
        assert not self._conflict, "whoever may lose to another has to know"
        if rows:
            pending = session.pending
            if pending is None:
                pending = session.pending = Pending()
            pending.add(self, rows)


class Pending:
    """Rows that wait to be written together."""

    def __init__(self) -> None:
        self._rows: dict[BulkInsert[Any], list[Any]] = {}

    def add(self, insert: BulkInsert[R], rows: Sequence[R]) -> None:
        """Let them wait."""
        self._rows.setdefault(insert, []).extend(rows)

    async def write(self, session: Session) -> None:
        """Write all of them in one statement."""
        values: dict[str, list[Any]] = {}
        for index, (insert, rows) in enumerate(self._rows.items()):
            values |= insert.values(rows, _prefix(index))
        await _together(tuple(self._rows)).run(session, **values)


def _prefix(index: int) -> str:
    return f"t{index}_"


@cache
def _together(inserts: tuple[BulkInsert[Any], ...]) -> Statement[None]:
    """One statement for several tables; foreign keys among them are checked at its end."""
    *before, last = [insert.sql(_prefix(index)) for index, insert in enumerate(inserts)]
    parts = ", ".join(f"w{index} AS ({sql})" for index, sql in enumerate(before))
    return Statement(f"WITH {parts} {last}" if parts else last)


def _reader(name: str, kind: Any) -> Callable[[Any], Any]:
    """What reads a column's value from a row. The driver takes a list inside an array for another dimension of it."""
    read = attrgetter(name)
    return (lambda row: Json(read(row))) if isinstance(kind, JSONB) else read
