"""Named statements with typed rows."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, Generic, TypeVar, cast, overload

import asyncpg
import msgspec
from pydantic import BaseModel

from app.core.db.session import Session

R = TypeVar("R")

# A name behind one colon; two are a cast, and a colon behind a letter or digit is part of a literal such as a time.
_NAMED = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)\b")

_registered: list["Statement[Any]"] = []


def registered() -> Sequence["Statement[Any]"]:
    """Every statement that the imported modules define, for the test that explains them all."""
    return _registered


def compile_names(sql: str) -> tuple[str, tuple[str, ...]]:
    """`:name` as the driver's numbers, and the names in the order of the numbers."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    return _NAMED.sub(number, sql), tuple(names)


def reader_of(row: type[R]) -> Callable[[asyncpg.Record], R]:
    """How a record becomes a `row`: a struct or dataclass by msgspec, a view by pydantic, a `dict` by column (for audits),
    a plain value from the first column, where NULL becomes None whatever the type says."""
    if issubclass(row, msgspec.Struct) or hasattr(row, "__dataclass_fields__"):
        return lambda record: msgspec.convert(dict(record), row)
    if row is dict:
        return lambda record: cast(R, dict(record))
    if issubclass(row, BaseModel):
        return lambda record: cast(R, row.model_validate(dict(record)))
    return lambda record: cast(R, _plain(record[0], row))


def _plain(value: Any, kind: type[Any]) -> Any:
    return value if value is None or isinstance(value, kind) else msgspec.convert(value, kind)


class Statement(Generic[R]):
    """SQL with `:name` parameters, compiled once; `row` is what each row becomes (see `reader_of`).

    Its shape is fixed, so it is planned once per connection, without its values. With `custom_plan` it is planned anew for
    each execution's values: for reports over ranges whose size differs.
    """

    @overload
    def __init__(self: "Statement[None]", sql: str, *, custom_plan: bool = False) -> None: ...
    @overload
    def __init__(self, sql: str, row: type[R], *, custom_plan: bool = False) -> None: ...
    def __init__(self, sql: str, row: Any = NoneType, *, custom_plan: bool = False) -> None:
        self.sql, self.names = compile_names(sql)
        self.row: type[R] = row
        self.custom_plan = custom_plan
        self._read: Callable[[asyncpg.Record], R] = reader_of(row)
        _registered.append(self)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the driver's order. Raises TypeError when they are not exactly the statement's names."""
        if len(values) != len(self.names):
            raise TypeError(f"takes {', '.join(self.names)}; given {', '.join(values)}: {self.sql[:80]}")
        return [values[name] for name in self.names]

    async def all(self, session: Session, **values: Any) -> list[R]:
        """Every row."""
        records = await session.fetch(self.sql, self.arguments(values), custom_plan=self.custom_plan)
        return [self._read(record) for record in records]

    async def first(self, session: Session, **values: Any) -> R | None:
        """The first row, or None."""
        record = await session.fetch_first(self.sql, self.arguments(values), custom_plan=self.custom_plan)
        return None if record is None else self._read(record)

    async def one(self, session: Session, **values: Any) -> R:
        """The first row, which is there whatever happens (an aggregate, a RETURNING of a row that is locked)."""
        record = await session.fetch_first(self.sql, self.arguments(values), custom_plan=self.custom_plan)
        assert record is not None, f"no row: {self.sql[:80]}"
        return self._read(record)

    async def run(self, session: Session, **values: Any) -> int:
        """How many rows it touched."""
        return await session.execute(self.sql, self.arguments(values), custom_plan=self.custom_plan)

    async def run_many(self, session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run it once per row, pipelined."""
        await session.execute_many(self.sql, [self.arguments(row) for row in rows])
