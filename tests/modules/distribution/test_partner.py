"""What distributors see: their money, own sales and the team's apart, links, and the explanation of each commission."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import httpx

from app.core.clock import rfc3339
from app.core.db import Database
from app.core.events import Recorded
from app.core.ids import new_id, wire
from app.distribution import commissions
from app.ledger import audit as ledger_audit
from tests import sql
from tests.modules.distribution.sellers import Seller, now_of, set_terms
from tests.modules.distribution.test_commissions import breaches, held_fen
from tests.modules.stores.chain import Person, a_payment, refunds_of, tell
from tests.overlap import beside, waits

Drain = Callable[[], Awaitable[int]]
EARNINGS = ("orders", "base_fen", "refunded_fen", "commission_fen", "clawed_back_fen", "net_fen")


async def link_of(db: Database, seller: Seller) -> UUID:
    touchpoint_id = new_id()
    async with db.transaction() as session:
        await sql.execute(
            session,
            """INSERT INTO attribution_touchpoint (id, kind, distributor_id, product_id) VALUES ($1, 'share', $2, $3)""",
            touchpoint_id,
            seller.key,
            new_id(),
        )
    return touchpoint_id


async def test_a_distributor_sees_where_the_money_stands(
    api: httpx.AsyncClient, db: Database, drain: Drain, seller: Seller, upline: Seller, hq: Person
) -> None:
    now = await now_of(db)
    link = await link_of(db, seller)
    parties = {"distributor_id": seller.key, "touchpoint_id": link}
    first = a_payment((10_000, parties), (5_000, parties), placed_at=now, paid_at=now)
    old = a_payment((7_000, parties), paid_at=now - timedelta(days=40))
    await tell(db, first, old, *refunds_of(first, [[4_000, 0]]))
    await drain()
    summary = (await api.get("/v1/partner/summary", headers=seller.headers)).json()
    nothing = dict.fromkeys(EARNINGS, 0)
    today = {"own": dict(zip(EARNINGS, (1, 15_000, 4_000, 1_500, 400, 1_100), strict=True)), "team": nothing}
    assert summary == {
        "distributor": seller.id,
        "today": today,
        "this_month": today,
        "held_fen": 1_800,
        "available_fen": 0,
        "debt_fen": 0,
        "paid_out_fen": 0,
    }
    theirs = {"distributor_id": upline.key}
    invited = {"distributor_id": seller.key, "upline_id": upline.key}
    await set_terms(api, hq, level1_bps=1_000, level2_bps=300)
    now = await now_of(db)
    sold = a_payment((1_000, theirs), placed_at=now, paid_at=now)
    by_the_team = a_payment((3_000, invited), placed_at=now, paid_at=now)
    await tell(db, sold, by_the_team, *refunds_of(by_the_team, [[1_000]]))
    await drain()
    above = (await api.get("/v1/partner/summary", headers=upline.headers)).json()["today"]
    assert above["own"] == dict(zip(EARNINGS, (1, 1_000, 0, 100, 0, 100), strict=True))
    assert above["team"] == dict(zip(EARNINGS, (1, 3_000, 1_000, 90, 30, 60), strict=True))
    (share,) = (await api.get("/v1/partner/shares", headers=seller.headers)).json()["items"]
    assert (share["id"], share["orders"], share["paid_fen"]) == (wire("tpt", link), 2, 22_000)
    assert (await api.get("/v1/partner/shares", headers=upline.headers)).json()["items"] == []


async def test_a_sale_during_the_reading_was_not_paid_out(api: httpx.AsyncClient, db: Database, seller: Seller) -> None:
    order = a_payment((10_000, {"distributor_id": seller.key}))
    async with db.transaction() as session:
        await sql.execute(session, "LOCK TABLE distribution_commission")
        read = beside(api.get("/v1/partner/summary", headers=seller.headers))
        assert await waits(session, read)
        await commissions.record(session, [Recorded(seq=1, published_at=order.paid_at, event=order)])
    assert (await read).json()["paid_out_fen"] == 0
    async with db.transaction() as session:
        assert await ledger_audit.audit(session) == []


async def test_a_link_counts_what_it_sold_even_where_that_earned_nothing(
    api: httpx.AsyncClient, db: Database, drain: Drain, hq: Person, seller: Seller
) -> None:
    link = await link_of(db, seller)
    parties = {"distributor_id": seller.key, "touchpoint_id": link}
    too_little = a_payment((4, parties), (3, {}))
    await set_terms(api, hq, level1_bps=0)
    for_nothing = a_payment((10_000, parties), (5_000, {"distributor_id": seller.key}), placed_at=await now_of(db))
    await tell(db, too_little, for_nothing)
    await drain()
    assert await held_fen(db, seller) == 0
    (share,) = (await api.get("/v1/partner/shares", headers=seller.headers)).json()["items"]
    assert (share["orders"], share["paid_fen"]) == (2, 10_004)
    assert await breaches(db) == []
    async with db.transaction() as session:
        await sql.execute(session, "ALTER TABLE distribution_link_sale DISABLE TRIGGER USER")
        await sql.execute(session, "DELETE FROM distribution_link_sale WHERE goods_paid_fen = 4")
        await sql.execute(session, "UPDATE distribution_link_sale SET goods_paid_fen = 9999")
    found = await breaches(db)
    assert sorted(breach.split()[0] for breach in found) == ["line", "line", "link"]


async def test_a_commission_explains_itself_to_its_distributor_only(
    api: httpx.AsyncClient, db: Database, drain: Drain, seller: Seller, upline: Seller
) -> None:
    now = await now_of(db)
    order = a_payment((10_000, {"distributor_id": seller.key}), paid_at=now)
    gone = a_payment((1_000, {"distributor_id": seller.key}), paid_at=now)
    due = a_payment((2_000, {"distributor_id": seller.key}), paid_at=now - timedelta(days=16))
    (refund,) = refunds_of(order, [[2_500]])
    await tell(db, order, gone, due, refund, *refunds_of(gone, [[1_000]]))
    await drain()
    listed = (await api.get("/v1/partner/commissions", headers=seller.headers)).json()["items"]
    assert {(c["base_fen"], c["net_fen"], c["status"], c["reason"]) for c in listed} == {
        (10_000, 750, "held", "blocked"),
        (1_000, 0, "reversed", "refunded"),
        (2_000, 200, "held", "awaiting_release"),
    }
    held = (await api.get("/v1/partner/commissions?status=held&limit=1", headers=seller.headers)).json()
    more = await api.get(f"/v1/partner/commissions?status=held&after={held['next']}", headers=seller.headers)
    assert (len(held["items"]), len(more.json()["items"])) == (1, 1)
    assert {c["base_fen"]: c["blocked_by"] for c in listed} == {10_000: ["hold"], 1_000: [], 2_000: []}
    mine = next(c for c in listed if c["base_fen"] == 10_000)
    assert mine["releases_at"] == rfc3339(order.paid_at + timedelta(days=15))
    where = f"/v1/partner/commissions/{mine['id']}"
    whole = (await api.get(where, headers=seller.headers)).json()
    assert whole | mine == whole
    assert whole["terms"] == {"id": None, "rate_bps": 1_000, "hold_s": 15 * 24 * 3600, "valid_from": None}
    assert [(c["refund"], c["amount_fen"]) for c in whole["clawbacks"]] == [(wire("rfd", refund.refund_id), 250)]
    assert [(e["kind"], e["account"], e["amount_fen"]) for e in whole["entries"]] == [
        ("commission_held", "payout_cost", 1_000),
        ("commission_held", "payee_held", -1_000),
        ("commission_clawed_back", "payee_held", 250),
        ("commission_clawed_back", "payout_cost", -250),
    ]
    assert (await api.get(where, headers=upline.headers)).status_code == 404
