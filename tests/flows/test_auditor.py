"""The auditor: whichever row is wrong, that one breach is found, and nothing else."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app import modules
from app.core.db import Database, Session, database
from app.core.settings import Settings
from app.processes.auditor import run_audit
from app.wechat import TradeState
from tests import sql
from tests.audit import audit
from tests.conftest import Drain, Stage
from tests.shop import Shop
from tests.wechat_words import paid_word, pay_in_silence, simulator_of

RunJobs = Callable[[], Awaitable[None]]


Seeds = dict[str, tuple[str, list[str]]]
"""What is changed, and the part of each sentence that the audits then say, by what is wrong."""


class Undo(Exception):
    """Ends a transaction whose rows are not to stay."""


@pytest.fixture
async def books(
    api: httpx.AsyncClient, shop: Shop, stage: Stage, db: Database, drain: Drain, run_jobs: RunJobs
) -> None:
    """Two paid orders, one of them partly refunded; one unpaid, one closed, one sent back, one paid with a wrong amount."""
    buyer, hq = await shop.customer(), await shop.staff("hq")
    paid = []
    for quantity in (2, 3):
        placed = await buyer.order(quantity)
        await buyer.pay(placed)
        paid.append(placed["order"])
    await hq.post(
        f"/v1/admin/mall/orders/{paid[0]['id']}/refunds",
        json={"lines": [{"line": paid[0]["lines"][0]["id"], "quantity": 1, "restock": True}], "reason": "破损"},
        headers={"Idempotency-Key": "r"},
    )
    await buyer.order(1)
    closed, late = await buyer.order(4), await buyer.order(90)
    for key, placed in enumerate((closed, late)):
        gone = await buyer.post(f"/v1/mall/orders/{placed['order']['id']}/close", headers={"Idempotency-Key": str(key)})
        assert gone.json()["status"] == "closed"
    wrong = await buyer.order(9)
    for placed, request in ((wrong, {"amount_fen": 7}), (late, {})):
        simulator_of(stage).charges[placed["payment"]["charge"]].state = TradeState.NOTPAY
        word = paid_word(stage, await pay_in_silence(stage, placed["payment"]["charge"], **request))
        assert (await word.say(api)).status_code == (400 if request else 204)
    await run_jobs()
    await stage.deliver()
    await drain()
    assert await audit(db) == []


TRANSFER = "'00000000-0000-7000-8000-000000000001'"
PAID = "(SELECT id FROM mall_order WHERE status = 'paid' AND refund_status = 'part')"
CHARGE = f"(SELECT charge_id FROM mall_order WHERE id = {PAID})"
AGREED = "(SELECT id FROM mall_refund)"
NOBODY = "gen_random_uuid()"
CLOSED = "(SELECT id FROM mall_order WHERE status = 'closed' AND goods_fen = 4 * 12800)"
SETTLED_TO_NOBODY = (
    f"""UPDATE payments_charge SET status = 'settled', transaction_id = 'TX' WHERE subject_id = {CLOSED};"""
)


def post(kind: str, *legs: tuple[str, str, int]) -> str:
    """Entries that balance, about the wrong things."""
    entries = "".join(
        f"""INSERT INTO ledger_entry (transfer_id, book, unit, account, subject, amount_fen)
            VALUES ({TRANSFER}, 'brand', 'CNY_FEN', '{account}', {subject}, {fen});"""
        for account, subject, fen in legs
    )
    return f"INSERT INTO ledger_transfer (id, kind, key) VALUES ({TRANSFER}, '{kind}', 'wrong');{entries}"


def lose(kind: str) -> str:
    return f"DELETE FROM event WHERE type = '{kind}';"


def unpost(kind: str) -> str:
    return f"""DELETE FROM ledger_entry WHERE transfer_id IN (
                   SELECT id FROM ledger_transfer WHERE kind = '{kind}' AND key = {AGREED}::text);
               DELETE FROM ledger_transfer WHERE kind = '{kind}' AND key = {AGREED}::text;"""


RELAY = "live.announcements"
DAYS_AGO = "UPDATE event SET published_at = published_at - interval '2 days';"
BEHIND = f"UPDATE event_cursor SET seq = 1, moved_at = now() WHERE consumer = '{RELAY}';"
LATE_CASH = f"(SELECT id FROM payments_charge WHERE subject_id = {CLOSED})"
ONE = 12_800

SEEDS: Seeds = {
    "a settled charge is nobody's sale": (
        SETTLED_TO_NOBODY
        + post("charge_paid", ("wechat_pending", LATE_CASH, 4 * ONE), ("other_income", NOBODY, -4 * ONE)),
        ["of kind charge_paid moves other_income", "sold for nothing"],
    ),
    "late money is owed about no refund": (
        SETTLED_TO_NOBODY
        + post("charge_paid", ("wechat_pending", LATE_CASH, 4 * ONE), ("refunds_due", NOBODY, -4 * ONE)),
        ["is owed 51200 in the books, it should be 0", "sold for nothing"],
    ),
    "something is owed about no refund": (
        post("wrong", ("other_income", NOBODY, 700), ("refunds_due", NOBODY, -700)),
        ["of kind wrong moves other_income and refunds_due", "is owed 700 in the books, it should be 0"],
    ),
    "suspense about no discrepancy": (
        post("wrong", ("wechat_pending", NOBODY, 700), ("suspense", NOBODY, -700)),
        ["of kind wrong moves suspense and wechat_pending", "holds 700 in suspense, it should be 0"],
    ),
    "a discrepancy without its suspense": (
        f"""INSERT INTO payments_discrepancy (id, transaction_id, kind, charge_id, reported)
            VALUES ({NOBODY}, 'TX', 'amount', {CHARGE}, '{{"amount_fen": 5}}')""",
        ["holds 0 in suspense, it should be 5"],
    ),
    "cash was posted a second time": (
        post("charge_paid", ("wechat_pending", CHARGE, ONE), ("other_income", NOBODY, -ONE)),
        ["of kind charge_paid moves other_income", "was paid 25600, its cash entries come to 38400", "WeChat holds"],
    ),
    "cash of no kind that brings cash": (
        post("wrong", ("wechat_pending", NOBODY, 5), ("other_income", NOBODY, -5)),
        ["of kind wrong moves other_income and wechat_pending", "WeChat holds"],
    ),
    "a charge is forgotten": (
        f"""INSERT INTO payments_charge (id, subject_kind, subject_id, book, mchid, appid, payer_openid, amount_fen, status,
                                         expires_at)
            VALUES ({NOBODY}, 'order', {PAID}, 'brand', 'm', 'a', 'p', 5, 'open', now() - interval '30 days')""",
        ["is open a day after its time was over", "asks for (5,brand,) from its payer, its order is for (25600,brand,"],
    ),
    "a charge is of another order": (
        f"UPDATE payments_charge SET subject_id = {CLOSED} WHERE id = {CHARGE}",
        ["sold for 25600", "asks for (25600,brand,", "has no charge"],
    ),
    "order and charge name different transactions": (
        f"UPDATE mall_order SET transaction_id = 'TX' WHERE id = {PAID}",
        ["sold for 25600 by TX"],
    ),
    "an agreed refund that payments does not know": (
        f"UPDATE payments_charge SET refunded_fen = 0, refunds = 0 WHERE id = {CHARGE};"
        f"DELETE FROM payments_refund WHERE id = {AGREED};"
        + unpost("refund_paid")
        + unpost("refund_agreed")
        + f"DELETE FROM event WHERE type = 'payments.refund_succeeded' AND stream = {AGREED};"
        + "UPDATE mall_refund SET status = 'agreed', paid_at = NULL;"
        + lose("mall.refund_paid"),
        ["holds 25600 of customer_prepaid", "payments sends nothing"],
    ),
    "paid out in the mall, abnormal at payments": (
        f"UPDATE payments_refund SET status = 'abnormal' WHERE id = {AGREED};" + unpost("refund_paid"),
        ["0 was paid out, events tell of 12800"],
    ),
    "paid out at payments, agreed in the mall": (
        "UPDATE mall_refund SET status = 'agreed', paid_at = NULL;" + lose("mall.refund_paid"),
        ["is agreed, by the events that were delivered it is paid"],
    ),
    "a refund that is not its lines": (
        "UPDATE mall_refund_line SET amount_fen = 1",
        ["says 12800/1/1 fen", "is 12800, its lines and freight come to 1", "its RefundAgreed event tells of"],
    ),
    "a line that says less than was refunded": (
        "UPDATE mall_order_line SET refunded_fen = 0 WHERE refunded_fen > 0",
        ["says 0/1/1 fen, units and restocked units refunded, its refund lines come to 12800/1/1"],
    ),
    "a line that says more came back": (
        "UPDATE mall_order_line SET refunded_quantity = 2, restocked_quantity = 2 WHERE refunded_quantity = 1;"
        "UPDATE mall_stock SET sold = sold - 1, on_hand = on_hand + 1;",
        ["says 12800/2/2 fen"],
    ),
    "an order without lines": (
        f"DELETE FROM attribution_line WHERE line_id IN (SELECT id FROM mall_order_line WHERE order_id = {CLOSED});"
        f"DELETE FROM mall_order_line WHERE order_id = {CLOSED};",
        ["its lines' goods paid come to 0, goods less discounts are 51200"],
    ),
    "RefundAgreed was never told": (
        lose("mall.refund_agreed")
        + "DELETE FROM stores_performance WHERE amount_fen < 0;"
        + "UPDATE stores_party_day SET refunds_fen = 0, own_part_fen = 64000, fulfilled_fen = 64000;"
        + "UPDATE stores_path_day SET refunds_fen = 0, own_part_fen = 64000, fulfilled_fen = 64000;",
        ["is agreed as 12800, RefundAgreed events tell of nothing", "its RefundAgreed event tells of nothing"],
    ),
    "RefundAgreed tells of a line in other units": (
        """UPDATE event SET payload = jsonb_set(payload, '{lines,0,quantity}', '7') WHERE type = 'mall.refund_agreed'""",
        ["its RefundAgreed event tells of"],
    ),
    "a charge is of a kind that nobody collects": (
        f"UPDATE payments_charge SET subject_kind = 'gift' WHERE id = {CHARGE}",
        ["sold for 25600", "has no charge"],
    ),
    "sales were posted in points": (
        "UPDATE ledger_entry SET unit = 'PTS' WHERE transfer_id = (SELECT transfer_id FROM ledger_entry LIMIT 1)",
        ["moves PTS of"] * 2,
    ),
    "a path's total of a day forgets a refund": (
        "UPDATE stores_path_day SET refunds_fen = 0",
        ["is 64000/0/2/51200/51200/0 sold/refunded/orders/own/fulfilled/inviting, entries say 64000/12800/2/51200"],
    ),
    "a store's total of a day counts an order too many": (
        "UPDATE stores_party_day SET orders = orders + 1 WHERE role = 'store'",
        ["is 64000/12800/3/51200/51200/0 sold/refunded/orders/own/fulfilled/inviting, entries say 64000/12800/2/51200"],
    ),
    "an order is forgotten": (
        "UPDATE mall_order SET expires_at = now() - interval '2 days' WHERE status = 'unpaid' AND goods_fen = 12800",
        ["is unpaid a day after its time was over"],
    ),
    "a refund is forgotten": (
        f"""INSERT INTO payments_refund (id, charge_id, amount_fen, kind, reason, status, created_at)
            VALUES ({NOBODY}, {CHARGE}, 1, 'agreed', '', 'processing', now() - interval '8 days');
            UPDATE payments_charge SET refunded_fen = refunded_fen + 1, refunds = refunds + 1 WHERE id = {CHARGE};""",
        [
            "is owed 0 in the books, it should be 1",
            "is processing a week after it was requested",
            "payments sends 1 of",
        ],
    ),
    "the frozen credit of a line is not what its events tell": (
        f"UPDATE attribution_line SET guide_id = {NOBODY} WHERE order_id = {PAID}",
        ["its OrderPaid event tells of", "a RefundAgreed event tells of"],
    ),
    "OrderPaid tells of a line in other units": (
        f"""UPDATE event SET payload = jsonb_set(payload, '{{lines,0,quantity}}', '7')
            WHERE type = 'mall.order_paid' AND stream = {PAID}""",
        ["its OrderPaid event tells of"],
    ),
    "an unpaid order's charge asks for less": (
        """UPDATE payments_charge SET amount_fen = 5
           WHERE subject_id = (SELECT id FROM mall_order WHERE status = 'unpaid' AND goods_fen = 12800)""",
        ["asks for (5,brand,"],
    ),
    "a charge is another payer's": (
        f"UPDATE payments_charge SET payer_openid = 'oSomebodyElse' WHERE id = {CHARGE}",
        ["asks for (25600,brand,)"],
    ),
    "an order was paid to another merchant": (
        f"UPDATE mall_order SET mchid = '1600000001' WHERE id = {PAID}",
        ["sold for 25600"],
    ),
    "an order was paid at another time than was told": (
        f"UPDATE mall_order SET paid_at = paid_at - interval '40 days' WHERE id = {PAID}",
        ["was sold as"],
    ),
    "money was sent back by itself and the order does not say so": (
        "UPDATE mall_order SET sent_back_fen = 0 WHERE sent_back_fen > 0",
        [f"says that 0 went back by itself, such refunds come to {90 * ONE}"],
    ),
    "a refund by itself sends back a part": (
        """UPDATE payments_refund SET kind = 'second' WHERE kind = 'agreed'""",
        [
            "sent 12800 back by itself, its charge brought 25600",
            "sold for 25600",
            "says that 0 went back by itself",
            "payments sends nothing",
        ],
    ),
    "a line was sold for less than its trail says": (
        f"UPDATE mall_order_line SET list_fen = list_fen + 1 WHERE order_id = {PAID}",
        ["was sold for 25600, list price times quantity less its discounts is 25602"],
    ),
    "prepaid money of no order": (
        post("refund_agreed", ("customer_prepaid", NOBODY, 9), ("refunds_due", AGREED, -9)),
        ["is owed 9 in the books, it should be 0", "holds -9 of customer_prepaid in brand, it should be 0"],
    ),
    "the frozen credit of a line stands under another order": (
        f"UPDATE attribution_line SET order_id = {CLOSED} WHERE order_id = {PAID}",
        ["its frozen credit is of"],
    ),
    "credit was frozen for a line that is not there": (
        f"""INSERT INTO attribution_line (line_id, order_id, distributor_reason, guide_reason, store_id, store_reason, room_reason)
            VALUES ({NOBODY}, {PAID}, 'none', 'none', {NOBODY}, 'selling_store', 'none')""",
        ["is of order none, its frozen credit is of"],
    ),
    "an event never gets its number": (
        f"""INSERT INTO event_outbox (type, stream, payload, published_at)
            VALUES ('some.thing', {NOBODY}, '{{}}', now() - interval '2 hours')""",
        ["of type some.thing waits for its number"],
    ),
    "a consumer stands still": (
        DAYS_AGO + BEHIND + "UPDATE event_cursor SET moved_at = now() - interval '2 hours' WHERE seq < 10",
        [f"consumer {RELAY} stands still at"],
    ),
    "a consumer has no cursor": (
        f"{DAYS_AGO} DELETE FROM event_cursor WHERE consumer = '{RELAY}'",
        [f"consumer {RELAY} stands still at 0, event 1 is a day old"],
    ),
    "a consumer that is behind goes on reading": (DAYS_AGO + BEHIND, []),
    "a consumer is there no more": (
        DAYS_AGO
        + "INSERT INTO event_cursor (consumer, seq, moved_at) VALUES ('retired', 1, now() - interval '1 year')",
        [],
    ),
    "a consumer has read what is not there": (
        "INSERT INTO event_cursor (consumer, seq) VALUES ('some.consumer', (SELECT max(seq) FROM event) + 1)",
        ["consumer some.consumer has read up to"],
    ),
    "a dead letter is forgotten": (
        f"""INSERT INTO event_dead_letter (id, consumer, seq, stream, type, error, attempts, created_at)
            VALUES ({NOBODY}, 'some.consumer', 1, {NOBODY}, 'some.thing', 'why', 3, now() - interval '8 days')""",
        ["of some.consumer is open for a week"],
    ),
    "a sale is credited to another day": (
        "UPDATE stores_performance SET business_at = business_at + interval '1 second' WHERE kind = 'sale'",
        ["for source", "for source"],
    ),
    "a sale is credited to another store": (
        f"""UPDATE stores_performance SET store_id = '{TRANSFER[1:-1]}';
            UPDATE stores_party_day SET sales_fen = 0, refunds_fen = 0, orders = 0, own_part_fen = 0;
            INSERT INTO stores_party_day (day, role, scope_path, party_id, sales_fen, refunds_fen, orders, own_part_fen)
            SELECT day, role, scope_path, '{TRANSFER[1:-1]}', 64000, 12800, 2, 51200 FROM stores_party_day""",
        ["as store is"] * 3,
    ),
    "RefundPaid was lost": (lose("mall.refund_paid"), ["is paid out with 12800, RefundPaid events tell of 0"]),
    "OrderClosed was lost": (
        f"DELETE FROM event WHERE type = 'mall.order_closed' AND stream = {CLOSED}",
        ["is closed, 0 OrderClosed events tell of it"],
    ),
    "OrderPaid tells another amount": (
        f"""UPDATE event SET payload = jsonb_set(payload, '{{paid_fen}}', '1')
            WHERE type = 'mall.order_paid' AND stream = {PAID}""",
        ["is paid with 25600, OrderPaid events tell of 1"],
    ),
}


APPEND_ONLY = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"


async def breaches_of(db: Database, seed: str) -> list[str]:
    """What every module's audit says of the books with one thing wrong in them; the books stay as they were."""
    found: list[str] = []
    with pytest.raises(Undo):
        async with db.transaction() as session:
            for (table,) in await sql.fetch(session, APPEND_ONLY):
                await sql.execute(session, f"ALTER TABLE {table} DISABLE TRIGGER USER")
            await sql.execute(session, seed)
            for checks in modules.audits().values():
                for check in checks:
                    found += await check(session)
            raise Undo
    return found


async def assert_each_is_found(db: Database, seeds: Seeds) -> None:
    """Of each wrong thing the audits say what is expected, in that order, and nothing else."""
    wrong: dict[str, Any] = {}
    for name, (seed, expected) in seeds.items():
        found = await breaches_of(db, seed)
        if len(found) != len(expected) or not all(part in said for part, said in zip(expected, found, strict=False)):
            wrong[name] = found
    assert wrong == {}
    assert await audit(db) == []


async def test_one_wrong_row_is_found_as_what_it_is(db: Database, books: None) -> None:
    await assert_each_is_found(db, SEEDS)


async def test_the_database_itself_refuses_a_refund_status_that_is_not_so(db: Database, books: None) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with db.transaction() as session:
            await sql.execute(session, "UPDATE mall_order SET refund_status = 'none' WHERE refund_status = 'part'")


async def test_an_audit_may_take_its_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def slow(session: Session) -> list[str]:
        return [await sql.fetchval(session, "SELECT 'read to the end' FROM pg_sleep(0.6)")]

    monkeypatch.setattr(database, "_ANSWER_WITHIN_S", 0)
    monkeypatch.setitem(modules.audits(), "slow", [slow])
    impatient = Database(settings.model_copy(update={"statement_timeout_ms": 400}), connections=1)
    try:
        with pytest.raises((asyncpg.QueryCanceledError, TimeoutError)):
            async with impatient.transaction() as session:
                await slow(session)
        assert (await run_audit(impatient))["slow"] == ["read to the end"]
    finally:
        await impatient.close()
