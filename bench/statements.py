"""The SQL of one order as a pgbench script: recorded from the product itself, so it is the same SQL.

Every statement that placing an order runs on the database is recorded with its arguments. Ids that the order makes
become fresh ones per pgbench transaction, ordered by time as the product's are; the SKU becomes a random one of the stocked
SKUs; all else is a literal.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.core import db

_ORDER_NUMBER = re.compile(r"\d{6}[0-9A-Z]{12}")

Statement = tuple[str, tuple[Any, ...]]


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Collects the hot statements that run inside the block, and where transactions begin (as `BEGIN`)."""
    statements: list[Statement] = []
    originals = {name: getattr(db, name) for name in ("fetch", "fetchrow", "execute")}
    transaction = db.Database.transaction

    def wrap(original: Any) -> Any:
        async def run(session: Any, sql: str, *args: Any) -> Any:
            statements.append((sql, args))
            return await original(session, sql, *args)

        return run

    def begin(self: Any) -> Any:
        statements.append(("BEGIN", ()))
        return transaction(self)

    for name, original in originals.items():
        setattr(db, name, wrap(original))
    db.Database.transaction = begin  # type: ignore[method-assign]
    try:
        yield statements
    finally:
        for name, original in originals.items():
            setattr(db, name, original)
        db.Database.transaction = transaction  # type: ignore[method-assign]


def script(statements: Sequence[Statement], known: set[UUID], skus: Sequence[UUID], sku: UUID) -> str:
    """The pgbench script. `known` are ids that exist in the database; every other id is made anew each time, out of a
    count of transactions that pgbench begins with `-D turn=0`."""
    fresh: dict[UUID, str] = {}
    lines = [r"\set pick random(0, " + str(len(skus) - 1) + ")"]
    body: list[str] = []
    open_transaction = False
    for sql, args in statements:
        if sql == "BEGIN":
            if open_transaction:
                body.append("COMMIT;")
            body.append("BEGIN;")
            open_transaction = True
            continue
        body.append(_rendered(sql, args, known, fresh, skus, sku) + ";")
    body.append("COMMIT;")
    # UUIDv7 as the product makes them: random ids would scatter every insert over its index. pgbench has no clock, so
    # the milliseconds are now and one more with each transaction of a client.
    lines += [r"\set turn :turn + 1", rf"\set millisecond {time.time_ns() // 1_000_000} + :turn"]
    for name in fresh.values():
        lines += [
            rf"\set {name}_a (:millisecond << 16) | {7 << 12} | random(0, 4095)",
            rf"\set {name}_b random({-(2**63) + 1}, {-(2**62) - 1})",
        ]
    lines += [r"\set key_a random(1, 9223372036854775807)", r"\set key_b random(1, 9223372036854775807)"]
    return "\n".join(lines + body) + "\n"


def _rendered(
    sql: str, args: Sequence[Any], known: set[UUID], fresh: dict[UUID, str], skus: Sequence[UUID], sku: UUID
) -> str:
    text = " ".join(sql.split())
    for index in range(len(args), 0, -1):
        text = text.replace(f"${index}", _literal(args[index - 1], known, fresh, skus, sku))
    return text


def _literal(value: Any, known: set[UUID], fresh: dict[UUID, str], skus: Sequence[UUID], sku: UUID) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case UUID() if value == sku:
            choices = ",".join(f"'{one}'" for one in skus)
            return f"((ARRAY[{choices}]::uuid[])[1 + :pick::int])"
        case UUID() if value in known:
            return f"'{value}'::uuid"
        case UUID():
            name = fresh.setdefault(value, f"id{len(fresh)}")
            return f"(lpad(to_hex(:{name}_a::bigint), 16, '0') || lpad(to_hex(:{name}_b::bigint), 16, '0'))::uuid"
        case bytes():
            return f"'\\x{value.hex()}'::bytea"
        case datetime():
            return f"'{value.isoformat()}'::timestamptz"
        case timedelta():
            return f"interval '{value.total_seconds()} seconds'"
        case list() | tuple():
            sample = next((item for item in value if item is not None), "")
            kind = "uuid" if isinstance(sample, UUID) else "bigint" if isinstance(sample, int) else "text"
            items = ",".join(_literal(item, known, fresh, skus, sku) for item in value)
            return f"ARRAY[{items}]::{kind}[]"
        case str() if value.startswith("bench-key") or _ORDER_NUMBER.fullmatch(value):
            return "(to_hex(:key_a::bigint) || to_hex(:key_b::bigint))"
        case str():
            return "'" + value.replace("'", "''") + "'"
    raise TypeError(f"no literal for {type(value)}")
