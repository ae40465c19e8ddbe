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


class Dated(Identified, Protocol):
    """A row as of a moment: a number that rises with every change of the list."""

    @property
    def moment(self) -> int: ...


D = TypeVar("D", bound=Dated)
_MOMENT = "."
_LONGEST_MOMENT = 18


def _id(row: Any) -> UUID:
    return cast(Identified, row).id


def _id_behind(id_type: Any, cursor: str) -> UUID:
    try:
        return parse(prefix_of(id_type), cursor)
    except ValueError:
        raise CursorInvalid from None


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
        return None if self.after is None else _id_behind(id_type, self.after)

    def after_moment(self, id_type: Any) -> tuple[UUID | None, int | None]:
        """The id behind the cursor, and the number of the moment that the first page showed. Raises CursorInvalid."""
        if self.after is None:
            return None, None
        cursor, _, moment = self.after.partition(_MOMENT)
        if not (moment.isascii() and moment.isdecimal() and len(moment) <= _LONGEST_MOMENT):
            raise CursorInvalid
        return _id_behind(id_type, cursor), int(moment)

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
        shown, last = self._cut(found, key or _id)
        return Rows(shown, None if last is None else wire(prefix_of(id_type), last), count)

    async def rows_as_of(self, session: Session, id_type: Any, listing: Listing[D], **filters: Any) -> Rows[D]:
        """The same of a listing whose rows change places: it also takes `moment`, and all pages show what the first one
        did, as of its rows' `moment`.

        Raises CursorInvalid.
        """
        after, moment = self.after_moment(id_type)
        found = await listing.all(session, after=after, moment=moment, limit=self.limit + 1, **filters)
        count = await listing.count(session, moment=moment, **filters) if self.count else None
        shown, last = self._cut(found, _id)
        if last is None:
            return Rows(shown, None, count)
        return Rows(shown, f"{wire(prefix_of(id_type), last)}{_MOMENT}{shown[-1].moment}", count)

    def _cut(self, found: list[T], key: Callable[[T], UUID]) -> tuple[list[T], UUID | None]:
        """The rows of this page, and the last one's key if there are more."""
        shown = found[: self.limit]
        return shown, key(shown[-1]) if len(found) > self.limit else None

    async def read(
        self, session: Session, id_type: Any, listing: Listing[T], view: Callable[[T], U] | None = None, **filters: Any
    ) -> Page[U]:
        """The same as a page, each row shown by `view`, or as it is."""
        rows = await self.rows(session, id_type, listing, **filters)
        return rows.page([view(row) for row in rows.items] if view else cast("list[U]", rows.items))
