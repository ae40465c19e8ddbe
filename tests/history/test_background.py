"""What runs time and again, and what every order runs, over years of business: its cost is that of what is due."""

from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest

from app import payments
from app.attribution.freezing import candidates
from app.core import housekeeping
from app.core.auth import Actor, Kind, Role
from app.core.db import Database, Session
from app.core.events import dead_letter_count, is_anything_waiting, lag
from app.core.ids import new_id, wire
from app.core.paging import Paging
from app.live import tips
from app.mall.orders import closing
from app.payments import charges, refunds
from app.stores import ranking
from app.stores.schemas import By, Measure
from tests.history.generated import History
from tests.history.measured import REPORT_MS, TIMES, blocks, elapsed_ms, noted, steady

NOBODY = UUID(int=0)
BLOCKS = 400
"""Of one look for what is due, and of one quote."""

LOOKS: dict[str, Callable[[Session], Awaitable[Any]]] = {
    "the sequencer": is_anything_waiting,
    "how far readers are": lag,
    "open dead letters": dead_letter_count,
    "what does not fit": payments.discrepancy_count,
    "refunds that are stuck": payments.stuck_refunds,
    "unpaid orders": lambda session: closing.expired_orders(session, NOBODY, 200),
    "open charges": lambda session: charges.overdue_charges(session, NOBODY, 200),
    "refunds under way": lambda session: refunds.unfinished_refunds(session, NOBODY, 200),
    "unpaid tips": lambda session: tips.expired(session, NOBODY, 200),
    **{f"housekeeping: {forget.__module__}": forget for forget in housekeeping.FORGET},
}


@pytest.mark.parametrize("name", LOOKS)
async def test_a_look_for_what_is_due_touches_what_is_due(
    old_db: Database, history: History, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with noted(monkeypatch) as ran:
        async with old_db.transaction() as session:
            await LOOKS[name](session)
    assert {one.sql: touched for one in ran if (touched := await blocks(old_db, one)) > BLOCKS} == {}


async def test_a_basket_is_quoted_and_credited_as_on_the_first_day(
    old_api: httpx.AsyncClient,
    old_db: Database,
    tokens: dict[str, dict[str, str]],
    history: History,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    basket = {
        "store": wire("sto", history.store),
        "lines": [{"sku": wire("sku", history.sku), "quantity": 1}],
        "fulfilment": {"kind": "pickup"},
    }
    with noted(monkeypatch) as ran:
        reply = await old_api.post("/v1/mall/quote", json=basket, headers=tokens["customer"])
        assert reply.status_code == 200, reply.text
        async with old_db.transaction() as session:
            await candidates(session, history.customer)
    assert {one.sql: touched for one in ran if (touched := await blocks(old_db, one)) > BLOCKS} == {}


@pytest.mark.parametrize("measure", [Measure.CREDITED, Measure.OWN_PART])
@pytest.mark.parametrize("by", By)
async def test_a_year_is_ranked_within_a_second(
    old_db: Database, history: History, monkeypatch: pytest.MonkeyPatch, by: By, measure: Measure
) -> None:
    actor = Actor(kind=Kind.STAFF, id=new_id(), family=new_id(), role=Role.HQ, scope_path="/hq/")
    read = ranking.read_period("month:2026-10")
    monkeypatch.setattr(
        ranking,
        "read_period",
        lambda _: read.__class__(date(2025, 11, 1), date(2026, 10, 31), read.from_at, read.to_at),
    )
    async with old_db.alone() as session:
        rank = partial(ranking.rank, session, actor, Paging(limit=100), by=by, measure=measure, period="year")
        took_ms = [await elapsed_ms(rank) for _ in range(TIMES)]
        assert (await rank()).items
    assert sorted(took_ms)[TIMES // 2] < REPORT_MS, took_ms
    assert steady(took_ms, at_least_ms=50), took_ms
