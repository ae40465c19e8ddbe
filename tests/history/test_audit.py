"""The auditor reads years of business in one go."""

import time
from collections.abc import Awaitable, Callable

import pytest

from app import modules
from app.core.db import Database, Session
from tests.history.generated import History

_S_PER_ORDER = 100e-6
"""Of one module's audit, on a machine that has other things to do; reading a table once per order takes minutes."""

Audit = Callable[[Session], Awaitable[list[str]]]
AUDITS = {f"{module} {number}": audit for module, own in modules.audits().items() for number, audit in enumerate(own)}


@pytest.mark.parametrize("name", AUDITS)
async def test_an_audit_takes_as_long_as_there_is_to_read(old_db: Database, history: History, name: str) -> None:
    started = time.monotonic()
    async with old_db.transaction(snapshot=True) as session:
        await AUDITS[name](session)
    assert time.monotonic() - started < _S_PER_ORDER * history.orders
