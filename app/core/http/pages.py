"""What a list route takes."""

from typing import Annotated

from fastapi import Depends, Query

from app.core.http.shapes import declares
from app.core.paging import CursorInvalid, Paging


@declares(CursorInvalid)
async def _paging(
    limit: Annotated[int, Query(ge=1, le=100, description="How many items at most.")] = 20,
    after: Annotated[str | None, Query(max_length=64, description="The `next` of the page before.")] = None,
    count: Annotated[bool, Query(description="Also count the items of all pages.")] = False,
) -> Paging:
    return Paging(limit, after, count)


PageQuery = Annotated[Paging, Depends(_paging)]
