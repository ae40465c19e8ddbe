"""The HTTP edge that every room's routes share."""

from app.core.http.dependencies import Db, RuntimeDep, Tx, door
from app.core.http.idempotent import IdempotencyKey, reply_response
from app.core.http.limits import limit, spend
from app.core.http.pages import Page, PageQuery
from app.core.http.problems import problems
from app.core.http.schemas import Body, Moment, Plain, PlainLines, View

__all__ = [
    "Body",
    "Db",
    "IdempotencyKey",
    "Moment",
    "Page",
    "PageQuery",
    "Plain",
    "PlainLines",
    "RuntimeDep",
    "Tx",
    "View",
    "door",
    "limit",
    "problems",
    "reply_response",
    "spend",
]
