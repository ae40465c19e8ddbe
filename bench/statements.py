"""The SQL of one order as a pgbench script: recorded from the product itself, so it is the same SQL, with parameters.

Every statement that placing an order runs is recorded with its arguments. What stays the same is handed to pgbench as a
variable, which its prepared mode sends as a parameter; ids that the order makes become fresh ones per transaction,
ordered by time as the product's are; the SKU becomes a random one of the stocked SKUs.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app.core.db import session as sessions
from app.core.db.json import Json, encode_jsonb

_ORDER_NUMBER = re.compile(r"\d{6}[0-9A-Z]{12}")

Recorded = tuple[str, tuple[Any, ...]]


@contextmanager
def recorded() -> Iterator[list[Recorded]]:
    """Collects the statements that sessions run inside the block; a session that is no transaction runs between `ALONE`s."""
    statements: list[Recorded] = []
    session = sessions.Session
    originals = {name: getattr(session, name) for name in ("fetch", "fetch_first", "execute", "commit", "__init__")}

    def wrap(name: str) -> Any:
        async def run(self: Any, sql: str, arguments: Sequence[Any] = (), **options: Any) -> Any:
            statements.append((sql, tuple(arguments)))
            return await originals[name](self, sql, arguments, **options)

        return run

    def begin(self: Any, connection: Any, **options: Any) -> None:
        statements.append(("ALONE" if options.get("alone") else "BEGIN", ()))
        originals["__init__"](self, connection, **options)

    async def commit(self: Any) -> None:
        statements.append(("COMMIT", ()))
        await originals["commit"](self)

    for name in ("fetch", "fetch_first", "execute"):
        setattr(session, name, wrap(name))
    session.__init__ = begin  # type: ignore[method-assign]
    session.commit = commit  # type: ignore[method-assign]
    try:
        yield statements
    finally:
        for name, original in originals.items():
            setattr(session, name, original)


@dataclass
class Script:
    """A pgbench script and the variables that it is started with."""

    text: str
    variables: dict[str, str] = field(default_factory=dict)


def script(statements: Sequence[Recorded], known: set[UUID], skus: Sequence[UUID], sku: UUID) -> Script:
    """`known` are ids that exist in the database; every other id is made anew each time, out of a count of transactions
    that pgbench begins with `-D turn=0`."""
    names = _Names(known, skus, sku)
    body = []
    for sql, arguments in statements:
        if sql in ("BEGIN", "COMMIT"):
            body.append(f"{sql};")
        elif sql != "ALONE":
            body.append(names.rendered(sql, arguments) + ";")
    # UUIDv7 as the product makes them: random ids would scatter every insert over its index. pgbench has no clock, so
    # the milliseconds are now and one more with each transaction of a client.
    head = [
        rf"\set pick random(0, {len(skus) - 1})",
        r"\set turn :turn + 1",
        rf"\set millisecond {time.time_ns() // 1_000_000} + :turn",
        r"\set key_a random(1, 9223372036854775807)",
        r"\set key_b random(1, 9223372036854775807)",
    ]
    for name in names.fresh.values():
        head += [
            rf"\set {name}_a (:millisecond << 16) | {7 << 12} | random(0, 4095)",
            rf"\set {name}_b random({-(2**63) + 1}, {-(2**62) - 1})",
        ]
    return Script("\n".join(head + body) + "\n", names.variables)


class _Names:
    """What stands for each argument in the script."""

    def __init__(self, known: set[UUID], skus: Sequence[UUID], sku: UUID) -> None:
        self._known, self._skus, self._sku = known, skus, sku
        self.fresh: dict[UUID, str] = {}
        self.variables: dict[str, str] = {}

    def rendered(self, sql: str, arguments: Sequence[Any]) -> str:
        """The statement in one line with an expression for each number."""
        text = " ".join(sql.split())
        for index in range(len(arguments), 0, -1):
            text = re.sub(rf"\${index}(?!\d)", lambda _, i=index: self._of(arguments[i - 1]), text)  # type: ignore[misc]
        return text

    def _of(self, value: Any) -> str:
        match value:
            case None:
                return "NULL"
            case bool():
                return str(value).lower()
            case int():
                return str(value)
            case UUID() if value == self._sku:
                choices = ",".join(str(one) for one in self._skus)
                return f"(({self._kept('{' + choices + '}', 'uuid[]')})[1 + :pick::int])"
            case UUID() if value in self._known:
                return self._kept(str(value), "uuid")
            case UUID():
                name = self.fresh.setdefault(value, f"id{len(self.fresh)}")
                return f"(lpad(to_hex(:{name}_a::bigint), 16, '0') || lpad(to_hex(:{name}_b::bigint), 16, '0'))::uuid"
            case bytes():
                return self._kept(f"\\x{value.hex()}", "bytea")
            case datetime():
                return self._kept(value.isoformat(), "timestamptz")
            case timedelta():
                return self._kept(f"{value.total_seconds()} seconds", "interval")
            case list() | tuple():
                return "ARRAY[" + ",".join(self._of(item) for item in value) + "]" if value else "'{}'"
            case str() if value.startswith("bench-key") or _ORDER_NUMBER.fullmatch(value):
                return "(to_hex(:key_a::bigint) || to_hex(:key_b::bigint))"
            case str():
                return self._kept(str(value), "text")
            case Json() | _:
                return self._kept(encode_jsonb(value)[1:].decode(), "jsonb")

    def _kept(self, text: str, kind: str) -> str:
        """A parameter that stays the same: pgbench sends its variable as it is."""
        name = next((known for known, kept in self.variables.items() if kept == text), None)
        if name is None:
            name = f"v{len(self.variables)}"
            self.variables[name] = text
        return f":{name}::{kind}"
