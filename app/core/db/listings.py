"""Lists and reports: their conditions are composed from the filters that are present."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from app.core.db.session import Session
from app.core.db.statements import Statement

R = TypeVar("R")

_listings: list["Listing[Any]"] = []


def listings() -> list["Listing[Any]"]:
    """Every listing that the imported modules define, for the test that explains them all."""
    return _listings


class Listing(Generic[R]):
    """SQL that holds `{filters}`, and the conditions that may stand there by the name of their value.

        _ORDERS = Listing(
            "SELECT … FROM mall_order WHERE {filters} ORDER BY id DESC LIMIT :limit",
            OrderRow,
            filters={"customer_id": "customer_id = :customer_id", "after": "id < :after"},
        )

    A filter whose value is None is not part of the statement, and each execution is planned for its values: a condition
    that may be void would hide the others' indexes, and a plan for any value would serve none. `custom_plan` is off where
    an id finds the row whatever the filters are.
    """

    def __init__(self, sql: str, row: type[R], *, filters: Mapping[str, str], custom_plan: bool = True) -> None:
        assert "{filters}" in sql
        self.sql = sql
        self.row = row
        self.filters = filters
        self._custom_plan = custom_plan
        self._composed: dict[tuple[str, ...], Statement[R]] = {}
        self._counting: dict[tuple[str, ...], Statement[int]] = {}
        _listings.append(self)

    def compose(self, present: tuple[str, ...]) -> str:
        """The statement's SQL with the conditions of the filters that are present."""
        return self.sql.replace("{filters}", " AND ".join(self.filters[name] for name in present) or "true")

    def statement(self, present: tuple[str, ...]) -> Statement[R]:
        """The statement for a set of filters, in the order of their declaration."""
        found = self._composed.get(present)
        if found is None:
            found = self._composed[present] = Statement(self.compose(present), self.row, custom_plan=self._custom_plan)
        return found

    def _split(self, values: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
        present = tuple(name for name in self.filters if values.get(name) is not None)
        return present, {name: value for name, value in values.items() if value is not None or name not in self.filters}

    async def all(self, session: Session, **values: Any) -> list[R]:
        """The rows; values of the filters that are present, and of every other parameter."""
        present, given = self._split(values)
        return await self.statement(present).all(session, **given)

    async def first(self, session: Session, **values: Any) -> R | None:
        """The first row, or None."""
        present, given = self._split(values)
        return await self.statement(present).first(session, **given)

    async def count(self, session: Session, **values: Any) -> int:
        """How many rows there are whatever the page: `after` and `limit` do not count."""
        present, given = self._split({**values, "after": None, "limit": None})
        given.pop("limit", None)
        found = self._counting.get(present)
        if found is None:
            sql = f"SELECT count(*) FROM ({self.compose(present)}) AS listed".replace(":limit", "ALL")
            found = self._counting[present] = Statement(sql, int, custom_plan=True)
        return await found.one(session, **{name: value for name, value in given.items() if name in found.names})
