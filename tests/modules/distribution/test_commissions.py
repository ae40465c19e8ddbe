"""Commissions: held by the mall's events, taken back with refunds, the same at payees, never a third payee."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import distribution, payees
from app.core.db import Database, Session
from app.core.events import Recorded
from app.core.ids import new_id
from app.distribution import commissions
from app.distribution.audit import audit
from app.ledger import Account, Transfer, credit, debit, post
from app.ledger import audit as ledger_audit
from app.payees import Clawback
from app.payees import audit as payees_audit
from tests import sql
from tests.audit import count
from tests.modules.distribution.sellers import Seller, now_of, set_terms
from tests.modules.stores.chain import Person, a_payment, refunds_of, tell
from tests.overlap import beside, waits

Drain = Callable[[], Awaitable[int]]


async def held_fen(db: Database, seller: Seller) -> int:
    async with db.transaction() as session:
        return (await payees.standing_of(session, seller.key)).held_fen


async def breaches(db: Database) -> list[str]:
    async with db.transaction() as session:
        return [*await audit(session), *await payees_audit.audit(session), *await ledger_audit.audit(session)]


async def dead_letters(db: Database) -> int:
    async with db.transaction() as session:
        count: int = await sql.fetchval(session, "SELECT count(*) FROM event_dead_letter")
        return count


async def test_a_sale_holds_a_commission_and_its_money(db: Database, drain: Drain, seller: Seller) -> None:
    order = a_payment((12_345, {"distributor_id": seller.key}), (999, {}), (4, {"distributor_id": seller.key}))
    await tell(db, order)
    await drain()
    async with db.transaction() as session:
        (earned,) = await distribution.earned_on(session, order.order_id)
        events = await sql.fetch(session, "SELECT payload FROM event WHERE type = 'distribution.commission_held'")
        releases_at = await sql.fetchval(session, "SELECT releases_at FROM payees_hold")
    assert (earned.line_id, earned.level, earned.amount_fen) == (order.lines[0].line_id, 1, 1_235)
    assert releases_at == order.paid_at + timedelta(days=15)
    assert len(events) == 1
    assert await held_fen(db, seller) == 1_235
    assert await breaches(db) == []


async def test_the_upline_earns_by_the_terms_and_nobody_above_them(
    api: httpx.AsyncClient, db: Database, drain: Drain, hq: Person, seller: Seller, upline: Seller
) -> None:
    parties = {"distributor_id": seller.key, "upline_id": upline.key}
    before = a_payment((10_000, parties))
    await set_terms(api, hq, level1_bps=800, level2_bps=250, hold_s=60)
    after = a_payment((10_000, parties), placed_at=await now_of(db))
    await tell(db, before, after)
    await drain()
    assert await held_fen(db, seller) == 1_000 + 800
    assert await held_fen(db, upline) == 250
    await tell(db, *refunds_of(before, [[10_000]]), *refunds_of(after, [[5_000], [5_000]]))
    await drain()
    assert (await held_fen(db, seller), await held_fen(db, upline)) == (0, 0)
    assert await breaches(db) == []


async def test_the_database_refuses_a_third_level_and_a_third_payee(
    api: httpx.AsyncClient, db: Database, drain: Drain, hq: Person, seller: Seller, upline: Seller
) -> None:
    await set_terms(api, hq, level1_bps=800, level2_bps=250)
    order = a_payment((10_000, {"distributor_id": seller.key, "upline_id": upline.key}), placed_at=await now_of(db))
    await tell(db, order)
    await drain()
    copy = """INSERT INTO distribution_commission
                  (id, order_id, line_id, distributor_id, level, book, base_fen, rate_bps, amount_fen, paid_at)
              SELECT $1, order_id, line_id, distributor_id, $2, book, base_fen, rate_bps, amount_fen, paid_at
              FROM distribution_commission LIMIT 1"""
    for level, error in (
        (3, asyncpg.CheckViolationError),
        (0, asyncpg.CheckViolationError),
        (1, asyncpg.UniqueViolationError),
        (2, asyncpg.UniqueViolationError),
    ):
        with pytest.raises(error):
            async with db.transaction() as session:
                await sql.execute(session, copy, new_id(), level)


@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amount_fen=st.integers(1, 100_000), cuts=st.lists(st.integers(1, 50_000), max_size=6))
async def test_refunds_in_parts_end_at_nothing(
    db: Database, drain: Drain, seller: Seller, amount_fen: int, cuts: list[int]
) -> None:
    order = a_payment((amount_fen, {"distributor_id": seller.key}))
    steps, left = [], amount_fen
    for cut in [*cuts, amount_fen]:
        step = min(cut, left)
        left -= step
        if step:
            steps.append([step])
    refunds = refunds_of(order, steps)
    await tell(db, order, *refunds[:1])
    await drain()
    await tell(db, *refunds[1:])
    await drain()
    assert await held_fen(db, seller) == 0
    async with db.transaction() as session:
        earned = await distribution.earned_on(session, order.order_id)
    assert [(e.net_fen, e.status) for e in earned] == [(0, "reversed")] * len(earned)
    assert await dead_letters(db) == 0
    assert await breaches(db) == []


async def test_a_refund_is_counted_once(db: Database, drain: Drain, seller: Seller) -> None:
    order = a_payment((10_000, {"distributor_id": seller.key}))
    (refund,) = refunds_of(order, [[2_500]])
    await tell(db, order, refund)
    await drain()
    assert await held_fen(db, seller) == 750
    async with db.transaction() as session:
        await commissions.record(session, [Recorded(seq=1, published_at=order.paid_at, event=refund)])
    assert await held_fen(db, seller) == 750, "clawback is cumulative: the same refund again takes nothing"
    with pytest.raises(asyncpg.UniqueViolationError):
        async with db.transaction() as session:
            await commissions.record(session, [Recorded(seq=1, published_at=order.paid_at, event=order)])
    assert await breaches(db) == []


async def test_a_commission_for_nobody_is_a_dead_letter_and_holds_up_no_other(
    db: Database, drain: Drain, seller: Seller
) -> None:
    good = a_payment((10_000, {"distributor_id": seller.key}))
    await tell(db, a_payment((10_000, {"distributor_id": new_id()})), good)
    await drain()
    assert await held_fen(db, seller) == 1_000
    assert await dead_letters(db) == 1
    assert await breaches(db) == []


async def test_the_auditor_finds_planted_breaches(db: Database, drain: Drain, seller: Seller) -> None:
    order = a_payment((10_000, {"distributor_id": seller.key}))
    await tell(db, order, *refunds_of(order, [[1_000]]))
    await drain()
    assert await breaches(db) == []

    async def after(statement: str) -> list[str]:
        """What the auditor says of a change that is then undone."""
        try:
            async with db.transaction() as session:
                await sql.execute(session, statement)
                found = [*await audit(session), *await payees_audit.audit(session)]
                raise LookupError
        except LookupError:
            return [re.sub(r'\b[0-9a-f-]{36}\b|"20[0-9-]+ [0-9:.+]+"', "…", breach) for breach in found]

    events = "the events and terms say (…,…,brand,10000,1000,1000,100,1000,,…)"
    was_told = "its CommissionHeld event tells of (…,…,…,1,brand,10000,1000,1000,…)"
    assert await after("UPDATE distribution_commission SET amount_fen = 1001") == [
        f"commission of line … level 1 is (…,…,brand,10000,1000,1001,100,1000,,…), {events}",
        "commission … is (…,brand,1001,100,…), its hold is (…,brand,1000,100,…)",
        f"commission … was held as (…,…,…,1,brand,10000,1000,1001,…), {was_told}",
    ]
    assert await after("UPDATE distribution_commission SET clawed_back_fen = 99") == [
        f"commission of line … level 1 is (…,…,brand,10000,1000,1000,99,1000,,…), {events}",
        "commission … is (…,brand,1000,99,…), its hold is (…,brand,1000,100,…)",
    ]
    assert sorted(await after("UPDATE payees_clawback SET reason_id = gen_random_uuid()")) == [
        "(100,…,…,…,1,brand) of commission … was taken back for refund …, CommissionClawedBack events tell of nothing",
        "0 of commission … was taken back for refund …, the events say 100",
        "100 of commission … was taken back for refund …, the events say 0",
        "nothing of commission … was taken back for refund …, CommissionClawedBack events tell of (100,…,…,…,1,brand)",
    ]
    assert await after("DELETE FROM distribution_commission") == [
        f"commission of line … level 1 is none, {events}",
        "100 of commission … was taken back for refund …, the events say 0",
        "commission … is none, its hold is (…,brand,1000,100,…)",
        f"commission … was held as nothing, {was_told}",
        "nothing of commission … was taken back for refund …, CommissionClawedBack events tell of (100,…,…,…,1,brand)",
    ]
    assert len(await after("UPDATE payees_hold SET payee_id = gen_random_uuid()")) > 1
    assert len(await after("DELETE FROM event WHERE type = 'mall.order_paid'")) == 1


async def test_two_who_take_back_at_once_take_one_after_the_other(db: Database, drain: Drain, seller: Seller) -> None:
    await tell(db, a_payment((10_000, {"distributor_id": seller.key})))
    await drain()
    async with db.transaction() as session:
        commission_id = await sql.fetchval(session, "SELECT id FROM distribution_commission")

    async def take(session: Session, amount_fen: int) -> None:
        taken = Clawback(
            source="commission",
            source_id=commission_id,
            payee_id=seller.key,
            reason_id=new_id(),
            amount_fen=amount_fen,
        )
        await payees.claw_back(session, [taken], to=Account.PAYOUT_COST)

    async def take_beside() -> None:
        async with db.transaction() as session:
            await take(session, 300)

    async with db.transaction() as session:
        await take(session, 200)
        rival = beside(take_beside())
        assert await waits(session, rival)
    await rival
    assert await count(db, "SELECT clawed_back_fen FROM payees_hold") == 500
    async with db.transaction() as session:
        assert await payees_audit.audit(session) == []


async def test_a_refund_after_the_release_takes_from_the_balance_and_the_rest_is_owed(
    api: httpx.AsyncClient, db: Database, drain: Drain, seller: Seller
) -> None:
    order = a_payment((10_000, {"distributor_id": seller.key}))
    await tell(db, order)
    await drain()
    async with db.transaction() as session:
        commission_id = await sql.fetchval(session, "UPDATE payees_hold SET status = 'released' RETURNING source_id")
        released = [debit(Account.PAYEE_HELD, 1_000, commission_id, seller.key)]
        for account, amount_fen in ((Account.PAYEE_AVAILABLE, 700), (Account.PAYEE_WITHDRAWING, 300)):
            released.append(credit(account, amount_fen, commission_id, seller.key))
        await post(session, Transfer(book="brand", kind="commission_released", key="1", entries=released))
    await tell(db, *refunds_of(order, [[6_000], [2_000]]))
    await drain()
    summary = (await api.get("/v1/partner/summary", headers=seller.headers)).json()
    assert (summary["held_fen"], summary["available_fen"], summary["debt_fen"]) == (0, 0, 100)
    (commission,) = (await api.get("/v1/partner/commissions", headers=seller.headers)).json()["items"]
    assert (commission["net_fen"], commission["status"], commission["reason"]) == (200, "released", "released")
    assert await dead_letters(db) == 0
    assert await breaches(db) == []
    await tell(db, refunds_of(order, [[6_000], [2_000], [2_000]])[-1])
    await drain()
    (commission,) = (await api.get("/v1/partner/commissions?status=reversed", headers=seller.headers)).json()["items"]
    assert (commission["net_fen"], commission["reason"], commission["blocked_by"]) == (0, "refunded", [])
    assert await breaches(db) == []
