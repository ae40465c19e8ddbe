"""Lists: a cursor, a limit, and a count for those who ask for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

from pydantic import Field

from app.core.db import Listing, Session
from app.core.errors import Unprocessable
from app.core.ids import parse, prefix_of, wire
from app.core.schemas import View

T = TypeVar("T")
U = TypeVar("U")


class CursorInvalid(Unprocessable):
    """`after` is not something a list answered as `next`."""

    en = "This cursor does not come from this list."
    zh = "分页游标无效。"


class Page(View, Generic[T]):
    """One page. `next` goes into `after` of the following request; null on the last page. `count` is the number of items on
    all pages, null unless it was asked for."""

    items: list[T]
    next: str | None
    count: int | None = Field(description="How many items all pages have; null unless `count=true` was sent.")


class Identified(Protocol):
    """Something with a key."""

    @property
    def id(self) -> UUID: ...


def _id(row: Any) -> UUID:
    return cast(Identified, row).id


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """One page of what a query read, before it is shown."""

    items: list[T]
    next: str | None
    count: int | None

    def page(self, items: list[U]) -> Page[U]:
        """The page of what is shown for the rows, in their order."""
        return Page(items=items, next=self.next, count=self.count)


@dataclass(frozen=True, slots=True)
class Paging:
    """What the caller asked for. `after` is the raw cursor; the list knows what kind of id it holds."""

    limit: int
    after: str | None = None
    count: bool = False

    def after_id(self, id_type: Any) -> UUID | None:
        """The id behind the cursor. Raises CursorInvalid."""
        if self.after is None:
            return None
        try:
            return parse(prefix_of(id_type), self.after)
        except ValueError:
            raise CursorInvalid from None

    async def rows(
        self,
        session: Session,
        id_type: Any,
        listing: Listing[T],
        *,
        key: Callable[[T], UUID] | None = None,
        **filters: Any,
    ) -> Rows[T]:
        """One page of a listing that takes `after` and `limit`; the cursor is its rows' `id`, or what `key` says.

        Raises CursorInvalid.
        """
        found = await listing.all(session, after=self.after_id(id_type), limit=self.limit + 1, **filters)
        count = await listing.count(session, **filters) if self.count else None
        return self._cut(id_type, found, count, key or _id)

    def _cut(self, id_type: Any, found: list[T], count: int | None, key: Callable[[T], UUID]) -> Rows[T]:
        shown = found[: self.limit]
        last = key(shown[-1]) if len(found) > self.limit else None
        return Rows(shown, None if last is None else wire(prefix_of(id_type), last), count)

    async def read(
        self, session: Session, id_type: Any, listing: Listing[T], view: Callable[[T], U] | None = None, **filters: Any
    ) -> Page[U]:
        """The same as a page, each row shown by `view`, or as it is."""
        rows = await self.rows(session, id_type, listing, **filters)
        return rows.page([view(row) for row in rows.items] if view else cast("list[U]", rows.items))
