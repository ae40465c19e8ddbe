"""The auditor where people earn: whichever row of credit, performance, commission or tips is wrong, it is found."""

from typing import Any
from uuid import uuid4

import pytest

from app import attribution
from app.attribution import PromoterKind
from app.core.db import Database
from app.core.ids import parse, wire
from app.distribution.schemas import TermsPut
from app.distribution.terms import set_terms
from app.live.tip_rules import TipRulePut, set_tip_rule
from app.stores.schemas import SplitPart, SplitRole, SplitRulePut
from app.stores.splits import set_rule
from tests import sql
from tests.audit import audit
from tests.conftest import Drain, Stage
from tests.flows.test_auditor import RunJobs, Seeds, assert_each_is_found, post
from tests.overlap import beside
from tests.shop import Person, Shop


async def seller(shop: Shop, hq: Person, inviter: str | None = None) -> tuple[Person, str]:
    """A distributor, below their inviter."""
    person = await shop.customer()
    applied = await person.post("/v1/distribution/applications", json={"inviter": inviter} if inviter else {})
    path = f"/v1/admin/distribution/applications/{applied.json()['id']}/decision"
    decided = await hq.post(path, json={"approve": True})
    return person, decided.json()["distributor"]


async def buy_and_tip(buyer: Person, link: str, room: dict[str, Any], *, quantity: int, tip_fen: int) -> dict[str, Any]:
    """A buyer comes by a link into a room, buys there, and tips the host."""
    await buyer.post("/v1/touches", json={"touchpoint": link})
    await buyer.post(f"/v1/live/rooms/{room['id']}/tickets")
    placed = await buyer.order(quantity)
    await buyer.pay(placed)
    path, key = f"/v1/live/rooms/{room['id']}/tips", {"Idempotency-Key": uuid4().hex}
    await buyer.pay((await buyer.post(path, json={"amount_fen": tip_fen}, headers=key)).json())
    return placed


@pytest.fixture
async def earned(
    shop: Shop,
    stage: Stage,
    db: Database,
    drain: Drain,
    run_jobs: RunJobs,
    host: Person,
    room: dict[str, Any],
) -> None:
    """A line credited to two distributors, a guide, a store and a room, refunded twice in part; and a tip."""
    hq = await shop.staff("hq")
    await hq.put("/v1/admin/distribution/terms", json={"level1_bps": 800, "level2_bps": 250, "hold_s": 3600})
    _, above = await seller(shop, hq)
    sharer, _ = await seller(shop, hq, above)
    async with db.transaction() as session:
        await attribution.register_promoter(
            session,
            promoter_id=parse("stf", host.id),
            kind=PromoterKind.GUIDE,
            person_id=None,
            upline_id=None,
            store_id=shop.store_id,
        )
    product = wire("prd", shop.product_id)
    await host.put(f"/v1/admin/live/rooms/{room['id']}/pinned", json={"product": product})
    link = (await sharer.post("/v1/shares", json={"product": product})).json()
    buyer = await shop.customer()
    placed = await buy_and_tip(buyer, link["id"], room, quantity=3, tip_fen=1001)
    for amount_fen in (3_333, 7_777):
        refund = {"lines": [{"line": placed["order"]["lines"][0]["id"], "amount_fen": amount_fen}], "reason": "差价"}
        await hq.post(
            f"/v1/admin/mall/orders/{placed['order']['id']}/refunds",
            json=refund,
            headers={"Idempotency-Key": str(amount_fen)},
        )
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await audit(db) == []
    async with db.transaction() as session:
        credit = await sql.fetchrow(
            session, "SELECT distributor_id, upline_id, guide_id, store_id, room_id FROM attribution_line"
        )
        assert credit is not None
        assert None not in tuple(credit), "everybody earns"


X = "'00000000-0000-7000-8000-0000000000aa'"
HOST = "(SELECT host_id FROM live_tip)"

SEEDS: Seeds = {
    "the store is given what is the guide's": (
        """UPDATE stores_performance SET amount_fen = amount_fen + CASE role WHEN 'store' THEN 1 ELSE -1 END
           WHERE kind = 'sale';
           UPDATE stores_party_day SET own_part_fen = own_part_fen + CASE role WHEN 'store' THEN 1 ELSE -1 END;
           UPDATE stores_path_day SET own_part_fen = own_part_fen + 1""",
        ["as guide is", "as store is"],
    ),
    "another guide is given the performance": (
        f"UPDATE stores_performance SET guide_id = {X} WHERE role = 'guide'",
        ["as guide is"] * 3,
    ),
    "a sale counts to another guide": (
        f"""UPDATE stores_performance SET credited_guide_id = {X};
            UPDATE stores_party_day SET party_id = {X} WHERE role = 'guide'""",
        ["counts to"] * 3,
    ),
    "a sale was handed over by another store": (
        f"""UPDATE stores_performance SET fulfilling_store_id = {X};
            UPDATE stores_party_day SET fulfilled_fen = 0;
            INSERT INTO stores_party_day (day, role, scope_path, party_id, sales_fen, refunds_fen, orders, fulfilled_fen)
            SELECT day, role, scope_path, {X}, 0, 0, 0, 38400 - 11110 FROM stores_party_day WHERE role = 'store'""",
        ["counts to"] * 3,
    ),
    "performance was split by no rule of its day": (
        f"""INSERT INTO stores_split_rule (id, parts, valid_from)
            VALUES ({X}, '[{{"role": "store", "bps": 7000}}, {{"role": "guide", "bps": 3000}}]', now() - interval '1 day')""",
        ["was split by rule the default, not by"] * 3,
    ),
    "commission was earned by no terms of its day": (
        f"""INSERT INTO distribution_terms (id, level1_bps, level2_bps, total_cap_bps, hold_s, valid_from, created_by)
            SELECT {X}, level1_bps, level2_bps, total_cap_bps, hold_s, now() - interval '1 day', created_by
            FROM distribution_terms;
            UPDATE distribution_commission SET terms_id = {X};
            UPDATE distribution_terms SET valid_from = now() - interval '1 hour' WHERE id <> {X};
            UPDATE event SET payload = payload || jsonb_build_object('placed_at', now())
            WHERE type IN ('mall.order_paid', 'mall.refund_agreed');
            UPDATE mall_order SET placed_at = now()""",
        ["was earned by terms"] * 2,
    ),
    "a clawback is shifted to another refund": (
        """UPDATE payees_clawback SET amount_fen = amount_fen + CASE WHEN first THEN 5 ELSE -5 END
           FROM (SELECT t.id, row_number() OVER (PARTITION BY hold_id ORDER BY t.id) = 1 AS first FROM payees_clawback t
                 JOIN payees_hold h ON h.id = t.hold_id JOIN distribution_commission c ON c.id = h.source_id AND c.level = 1
                ) AS of_level_1
           WHERE of_level_1.id = payees_clawback.id""",
        [
            *["by its row of payees"] * 2,
            *["was taken back for refund"] * 2,
            *["CommissionClawedBack events tell of"] * 2,
        ],
    ),
    "a commission is held shorter than its terms say": (
        "UPDATE payees_hold SET releases_at = releases_at - interval '1 second' WHERE source = 'commission'",
        [*["its hold is"] * 2, *["its CommissionHeld event tells of"] * 2],
    ),
    "a commission is of another day": (
        "UPDATE distribution_commission SET paid_at = paid_at - interval '40 days'",
        ["the events and terms say", "the events and terms say", "its hold is", "its hold is"],
    ),
    "a commission was paid for by fees": (
        "UPDATE ledger_entry SET account = 'fee_cost' WHERE account = 'payout_cost' AND amount_fen > 0",
        ["of kind commission_held moves fee_cost"] * 2,
    ),
    "a clawback goes back to another thing": (
        f"UPDATE ledger_entry SET subject = {X} WHERE account = 'payout_cost' AND amount_fen < 0",
        ["is about several things"] * 4,
    ),
    "money is held for a source that nobody knows": (
        f"""INSERT INTO payees_hold (id, source, source_id, payee_id, book, amount_fen)
            VALUES ({X}, 'gift', {X}, {X}, 'brand', 700)""",
        ["has 0 held in the books", "gift_held"],
    ),
    "a tip is nobody's and of nobody": (
        post("tip_kept", ("other_income", X, 700), ("tips_unallotted", X, -700)),
        ["posted", "has 700 in brand that is nobody's yet, it should be 0"],
    ),
    "a tip was divided to the host's advantage": (
        """UPDATE event SET payload = payload || jsonb_build_object(
               'host_fen', (payload ->> 'host_fen')::int + 1, 'brand_fen', (payload ->> 'brand_fen')::int - 1)
           WHERE type = 'live.tip_paid'""",
        [
            "its TipPaid event tells of",
            "was divided 502/200/299, by its rule it is 501/200/300",
            *["posted"] * 2,
        ],
    ),
    "a tip's event names another host": (
        f"""UPDATE event SET payload = payload || jsonb_build_object('host_id', {X}) WHERE type = 'live.tip_paid';
            UPDATE payees_hold SET payee_id = {X} WHERE source = 'tip' AND payee_id = {HOST};
            UPDATE ledger_balance SET owner = {X} WHERE owner = {HOST};
            UPDATE ledger_entry SET owner = {X} WHERE owner = {HOST}""",
        ["its TipPaid event tells of"],
    ),
    "CommissionHeld tells of another rate": (
        """UPDATE event SET payload = payload || '{"rate_bps": 9}' WHERE type = 'distribution.commission_held'""",
        ["its CommissionHeld event tells of"] * 2,
    ),
    "CommissionHeld was told twice": (
        """INSERT INTO event_outbox (type, stream, payload, published_at)
           SELECT type, stream, payload, published_at FROM event
           WHERE type = 'distribution.commission_held' LIMIT 1""",
        ["was told to be held 2 times"],
    ),
    "CommissionClawedBack names another refund": (
        f"""UPDATE event SET payload = payload || jsonb_build_object('refund_id', {X})
            WHERE type = 'distribution.commission_clawed_back'""",
        ["CommissionClawedBack events tell of"] * 6,
    ),
    "a charge of a tip is another payer's": (
        "UPDATE payments_charge SET payer_openid = 'oSomebodyElse' WHERE subject_kind = 'tip'",
        ["asks for (1001,brand,) from its payer, its tip is for (1001,brand,"],
    ),
    "what the brand keeps belongs to somebody": (
        f"UPDATE ledger_entry SET owner = {X} WHERE account = 'customer_prepaid' AND amount_fen < 0",
        [f"moves CNY_FEN of {X[1:-1]} of customer_prepaid, which is kept in fen, for the brand"],
    ),
    "RefundAgreed tells of less refunded before": (
        """UPDATE event SET payload = jsonb_set(payload, '{lines,0,refunded_before_fen}', '5')
           WHERE type = 'mall.refund_agreed' AND payload ->> 'amount_fen' = '7777'""",
        ["tells of 5 refunded before, by the other events it is 3333", "was taken back for refund"],
    ),
    "RefundAgreed tells of another moment": (
        """UPDATE event SET payload = payload || '{"agreed_at": "2026-01-01T00:00:00Z"}'
           WHERE type = 'mall.refund_agreed' AND payload ->> 'amount_fen' = '7777'""",
        ["its RefundAgreed event tells of", "for source", "for source"],
    ),
    "a tip names another host": (f"UPDATE live_tip SET host_id = {X}", ["its TipPaid event tells of"]),
    "the frozen credit of a line is not what its events tell": (
        "UPDATE attribution_line SET upline_id = NULL",
        ["its OrderPaid event tells of", "a RefundAgreed event tells of", "a RefundAgreed event tells of"],
    ),
}


async def test_one_wrong_row_is_found_as_what_it_is(db: Database, earned: None) -> None:
    await assert_each_is_found(db, SEEDS)


async def test_rules_that_were_still_being_set_at_a_sale_are_no_breach(
    shop: Shop,
    stage: Stage,
    db: Database,
    drain: Drain,
    run_jobs: RunJobs,
    earned: None,
    host: Person,
    room: dict[str, Any],
) -> None:
    """A version counts from when it was added, and is seen from its commit: what was recorded in between went by the one
    before."""
    buyer, hq, guide = await shop.customer(), await shop.staff("hq"), parse("stf", host.id)

    async def sell() -> dict[str, Any]:
        async with db.transaction() as session:
            link = await sql.fetchval(session, "SELECT id FROM attribution_touchpoint WHERE kind = 'share'")
        placed = await buy_and_tip(buyer, wire("tpt", link), room, quantity=1, tip_fen=999)
        await drain()
        return placed

    async with db.transaction() as slow:
        await set_terms(slow, guide, TermsPut(level1_bps=100, level2_bps=0))
        await set_rule(slow, guide, SplitRulePut(parts=(SplitPart(role=SplitRole.STORE, bps=10_000),)))
        await set_tip_rule(slow, guide, TipRulePut(host_bps=0, store_bps=0))
        placed = await beside(sell())
    refund = {"lines": [{"line": placed["order"]["lines"][0]["id"], "quantity": 1}], "reason": "退"}
    path = f"/v1/admin/mall/orders/{placed['order']['id']}/refunds"
    assert (await hq.post(path, json=refund, headers={"Idempotency-Key": "r"})).status_code == 201
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await audit(db) == []
