"""What routes ask for: the runtime, a transaction, an opened door."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from app.core.db import AsyncSession, Database
from app.core.http.problems import changing_nothing
from app.core.runtime import Runtime

T = TypeVar("T")


# `async` throughout: FastAPI runs a plain function in a thread, which costs more than all that these do.
async def runtime_of(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(runtime_of)]


async def database_of(runtime: RuntimeDep) -> Database:
    return runtime.db


Db = Annotated[Database, Depends(database_of)]
"""For flows, which open their own transactions around a network call."""


async def open_transaction(runtime: RuntimeDep) -> AsyncIterator[AsyncSession]:
    async with runtime.db.transaction() as session:
        with changing_nothing():  # up to here, and not in the commit, a lost connection means that it was rolled back
            yield session


# Without scope="function" FastAPI would commit after the reply has been sent: a failing commit still answered 200.
Tx = Annotated[AsyncSession, Depends(open_transaction, scope="function")]
"""The request's transaction, committed before the reply leaves. Name the actor before it in the signature."""


def door(kind: type[T]) -> Callable[[Any], Awaitable[T]]:
    """A dependency that yields an opened door of a lower room, as `Depends(door(WechatPay))`."""

    async def find(runtime: RuntimeDep) -> T:
        return runtime.door(kind)

    return find
