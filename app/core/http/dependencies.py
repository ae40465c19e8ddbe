"""What routes ask for: the runtime, a transaction, an opened client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from app.core.db import Database, Session
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


async def open_transaction(runtime: RuntimeDep) -> AsyncIterator[Session]:
    async with AsyncExitStack() as opened:
        # Everywhere but in the commit a lost connection, or none in time, means that nothing was done.
        with changing_nothing():
            session = await opened.enter_async_context(runtime.db.transaction())
        with changing_nothing():
            yield session
            await session.flush()


# Without scope="function" FastAPI would commit after the reply has been sent: a failing commit still answered 200.
Tx = Annotated[Session, Depends(open_transaction, scope="function")]
"""The request's transaction, committed before the reply leaves. Name the actor before it in the signature."""


async def open_reading(runtime: RuntimeDep) -> AsyncIterator[Session]:
    async with runtime.db.alone() as session:
        yield session


Reading = Annotated[Session, Depends(open_reading, scope="function")]
"""What a `GET` reads with: statements without a transaction around them. Name the actor before it in the signature."""


def client(kind: type[T]) -> Callable[[Any], Awaitable[T]]:
    """A dependency that yields an opened client of a lower module, as `Depends(client(WechatPay))`."""

    async def find(runtime: RuntimeDep) -> T:
        return runtime.client(kind)

    return find
