"""Every statement of the product: named, typed, planned, and known to the database."""

import ast
import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from types import NoneType

import msgspec
import pytest
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table

from app import modules
from app.core.db import Database, Session, Statement, registered
from app.core.db.listings import Listing, listings
from tests import sql
from tests.architecture.test_structure import TREES, strings

NOT_EXPLAINABLE = re.compile(r"\s*(SET|SHOW|LOCK|NOTIFY)\b")


def everything() -> Iterator[Statement[object]]:
    """Each statement there is, and each listing without filters, with each filter alone and with all of them."""
    assert modules.manifests()
    yield from registered()
    for listing in listings():
        names = tuple(listing.filters)
        for present in {(), names, *((name,) for name in names)}:
            yield listing.statement(present)


async def test_the_database_plans_every_statement(db: Database) -> None:
    refused: dict[str, str] = {}
    statements = {statement.sql: statement for statement in everything()}
    assert len(statements) > 250
    for text in statements:
        if NOT_EXPLAINABLE.match(text):
            continue
        try:
            async with db.transaction() as session:
                await sql.execute(session, f"EXPLAIN (GENERIC_PLAN) {text}")
        except Exception as error:
            refused[text] = repr(error)
    assert refused == {}


def fields_of(row: type) -> dict[str, bool]:
    """The fields that a row is made of: a struct's, a dataclass's or a view's. True for those that have to be there."""
    if issubclass(row, msgspec.Struct):
        return {field.name: field.required for field in msgspec.structs.fields(row)}
    if dataclasses.is_dataclass(row):
        absent = dataclasses.MISSING
        return {
            field.name: field.default is absent and field.default_factory is absent for field in dataclasses.fields(row)
        }
    assert issubclass(row, BaseModel)
    return {name: field.is_required() for name, field in row.model_fields.items()}


def does_not_fit(row: type, columns: Sequence[str]) -> str | None:
    """What is wrong with these columns for that type of row; None when nothing is."""
    if row is NoneType:
        return f"nobody reads {columns}" if columns else None
    if row is dict or not (issubclass(row, msgspec.Struct | BaseModel) or dataclasses.is_dataclass(row)):
        return None if columns else "no column to read"
    fields = fields_of(row)
    missing = [name for name, required in fields.items() if required and name not in columns]
    unknown = [name for name in columns if name not in fields]
    return f"missing {missing}, unknown {unknown}" if missing or unknown else None


async def columns_of(session: Session, statement: Statement[object]) -> list[str]:
    prepared = await session._connection.prepare(statement.sql)
    return [attribute.name for attribute in prepared.get_attributes()]


async def test_rows_have_the_columns_of_their_type(db: Database) -> None:
    wrong: dict[str, str] = {}
    async with db.transaction() as session:
        for statement in everything():
            said = does_not_fit(statement.row, await columns_of(session, statement))
            if said:
                wrong[statement.sql] = said
    assert wrong == {}


class AStruct(msgspec.Struct):
    id: int
    note: str = ""


class AView(BaseModel):
    id: int
    note: str = ""


@dataclasses.dataclass
class AClass:
    id: int
    note: str = ""


@pytest.mark.parametrize("row", [AStruct, AView, AClass])
async def test_planted_columns_that_do_not_fit_are_found(db: Database, row: type) -> None:
    async with db.transaction() as session:
        for columns, fits in (
            ("1 AS id", True),
            ("1 AS id, '' AS note", True),
            ("'' AS note", False),
            ("1 AS id, 2 AS to", False),
        ):
            statement = Statement(f"SELECT {columns}", row)
            registered().remove(statement)  # type: ignore[attr-defined]  # a list, which nobody else changes
            assert (does_not_fit(row, await columns_of(session, statement)) is None) is fits


TRAIL = re.compile(r"\w+_(at|by)|by_staff")
"""Who did something and when, for a person who looks."""

KEPT = {
    "customers_customer.phone_index",  # matches people by their numbers once accounts can be merged
    "attribution_touch.entry",  # how the customer came, as the published body says it
    "attribution_touchpoint.sharer_id",  # who shared what, by the link that they had come by themselves
    "attribution_touchpoint.via_id",
}


def read_by(statement: str) -> str:
    """A statement without the columns that it only writes."""
    without_inserted = re.sub(r"INSERT INTO (\w+)(?: \w+)?\s*\([^)]*\)", r"INSERT INTO \1", statement)
    return re.sub(r"(SET|,)(\s+)\w+ = ", r"\1\2", without_inserted)


def unread_columns(tables: Iterable[Table], statements: Iterable[str]) -> set[str]:
    read = [read_by(statement) for statement in statements]
    return {
        f"{table.name}.{column.name}"
        for table in tables
        for column in table.columns
        if not any(
            re.search(rf"\b{table.name}\b", text) and re.search(rf"(?<!:)\b{column.name}\b", text) for text in read
        )
    }


def test_every_column_is_read_or_is_a_trail() -> None:
    statements = {statement.sql for statement in everything()}
    unread = unread_columns([table.__table__ for table in modules.tables()], statements)
    assert {name for name in unread if not TRAIL.fullmatch(name.partition(".")[2])} == KEPT


def test_a_planted_column_that_is_only_written_is_found() -> None:
    loyalty = Table("loyalty", MetaData(), *(Column(name, Integer) for name in ("id", "points", "grade", "note")))
    statements = [
        "INSERT INTO loyalty (id, points, grade, note) VALUES (:id, :points, :grade, :note)",
        "UPDATE loyalty SET points = points + :more, grade = :grade, note = upper(note) WHERE id = :id",
        "SELECT grade FROM school",
    ]
    assert unread_columns([loyalty], statements) == {"loyalty.grade"}


OUTSIDE_CORE = {
    path: tree
    for path, tree in TREES.items()
    if not path.startswith(("app/core/db/", "app/core/jobs.py", "app/migrations/"))
}


def positional(path: str, tree: ast.AST) -> list[str]:
    """SQL that takes every column or the driver's numbered parameters."""
    return [
        f"{path}:{line}"
        for line, text in strings(tree)
        if re.search(r"\bSELECT\s+(\w+\.)?\*", text) or re.search(r"(?<![\w$])\$\d+\b", text)
    ]


def by_column_name(path: str, tree: ast.AST) -> list[str]:
    """Rows read as the driver's records, by names that no type checker knows."""
    return [
        f"{path}:{node.lineno}"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncpg.Record")
        or (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and re.fullmatch(r"(row|record|rows|r)", node.value.id)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        )
    ]


def test_no_statement_is_positional_or_takes_every_column() -> None:
    assert len(OUTSIDE_CORE) > 200
    assert [found for path, tree in OUTSIDE_CORE.items() for found in positional(path, tree)] == []


def test_no_row_is_read_by_the_names_of_its_columns() -> None:
    assert [found for path, tree in OUTSIDE_CORE.items() for found in by_column_name(path, tree)] == []


@pytest.mark.parametrize(
    "planted",
    [
        'Statement("SELECT * FROM mall_order")',
        'Statement("SELECT o.* FROM mall_order o")',
        'Statement(f"SELECT\\n  o.* FROM {table} o")',
        'Statement("DELETE FROM mall_order WHERE id = $1")',
    ],
)
def test_a_planted_positional_statement_is_found(planted: str) -> None:
    assert set(positional("app/mall/orders/records.py", ast.parse(planted))) == {"app/mall/orders/records.py:1"}


@pytest.mark.parametrize("planted", ['total = row["amount_fen"]', "def read(row: asyncpg.Record) -> int: ..."])
def test_a_planted_row_read_by_name_is_found(planted: str) -> None:
    assert by_column_name("app/mall/orders/records.py", ast.parse(planted)) == ["app/mall/orders/records.py:1"]


@pytest.mark.parametrize("text", ["SELECT count(*) FROM mall_order WHERE id = :id", "a$1", "$$1"])
def test_other_text_is_let_be(text: str) -> None:
    assert positional("app/mall/orders/records.py", ast.parse(f"text = {text!r}")) == []


def test_a_listing_leaves_out_what_is_not_given() -> None:
    listing = Listing("SELECT id FROM t WHERE {filters} LIMIT :limit", int, filters={"a": "a = :a", "b": "b = :b"})
    assert listing.compose(("b",)) == "SELECT id FROM t WHERE b = :b LIMIT :limit"
    assert listing.compose(()) == "SELECT id FROM t WHERE true LIMIT :limit"
    listings().remove(listing)
