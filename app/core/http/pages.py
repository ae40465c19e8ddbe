"""Lists: a cursor, a limit and no totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from app.core.errors import Unprocessable
from app.core.http.problems import declares
from app.core.http.schemas import View
from app.core.ids import parse, wire

T = TypeVar("T")


class CursorInvalid(Unprocessable):
    """`after` is not something a list answered as `next`."""

    en = "This cursor does not come from this list."
    zh = "分页游标无效。"


class Page(View, Generic[T]):
    """One page. `next` goes into `after` of the following request; null on the last page."""

    items: list[T]
    next: str | None


@dataclass(frozen=True, slots=True)
class Paging:
    """What the caller asked for. `after` is the raw cursor; the list knows what kind of id it holds."""

    limit: int
    after: str | None

    def after_id(self, prefix: str) -> UUID | None:
        """The id behind the cursor. Raises CursorInvalid."""
        if self.after is None:
            return None
        try:
            return parse(prefix, self.after)
        except ValueError:
            raise CursorInvalid from None

    def page(self, prefix: str, items: Sequence[T], keys: Sequence[UUID]) -> Page[T]:
        """Cut a list that was read with `limit + 1` rows into a page; `keys` are the rows' ids."""
        more = len(items) > self.limit
        shown = list(items[: self.limit])
        return Page(items=shown, next=wire(prefix, keys[self.limit - 1]) if more else None)


@declares(CursorInvalid)
async def _paging(
    limit: Annotated[int, Query(ge=1, le=100, description="How many items at most.")] = 20,
    after: Annotated[str | None, Query(max_length=64, description="The `next` of the page before.")] = None,
) -> Paging:
    return Paging(limit, after)


PageQuery = Annotated[Paging, Depends(_paging)]
