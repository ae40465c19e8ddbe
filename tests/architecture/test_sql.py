"""Every statement of the product: named, typed, planned, and known to the database."""

import ast
import re
from collections.abc import Iterator

import msgspec
import pytest

from app import modules
from app.core.db import Database, Statement, registered
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


async def test_rows_have_the_columns_of_their_type(db: Database) -> None:
    wrong: dict[str, object] = {}
    async with db.transaction() as session:
        for statement in everything():
            fields = getattr(statement.row, "__struct_fields__", None)
            if fields is None:
                continue
            prepared = await session._connection.prepare(statement.sql)
            columns = {attribute.name for attribute in prepared.get_attributes()}
            required = {field.name for field in msgspec.structs.fields(statement.row) if field.required}
            if not required <= columns or not columns <= set(fields):
                wrong[statement.sql] = columns ^ set(fields)
    assert wrong == {}


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
