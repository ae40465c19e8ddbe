"""The HTTP edge that every module's routes share."""

from app.core.http.dependencies import Db, Reading, RuntimeDep, Tx, client
from app.core.http.idempotent import IdempotencyKey, reply_response
from app.core.http.limits import limit, spend, spends
from app.core.http.pages import PageQuery
from app.core.http.shapes import problems
from app.core.paging import Page
from app.core.schemas import Body, Plain, View

__all__ = [
    "Body",
    "Db",
    "IdempotencyKey",
    "Page",
    "PageQuery",
    "Plain",
    "Reading",
    "RuntimeDep",
    "Tx",
    "View",
    "client",
    "limit",
    "problems",
    "reply_response",
    "spend",
    "spends",
]
