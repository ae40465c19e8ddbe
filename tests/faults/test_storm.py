"""A whole deployment in a storm: API and worker are killed again and again while people buy; then the sums are done."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx

from app.core.db import Database
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.mall.orders import flows
from app.mall.orders.schemas import CloseReason
from app.wechat import TradeState
from tests import sql
from tests.audit import audit, count, events, refunds_due
from tests.conftest import Drain, Stage
from tests.faults.conftest import Start, Victim
from tests.shop import Person, open_shop
from tests.wechat_words import paid_word, pay_in_silence, simulator_of

BUYERS, ORDERS_EACH = 12, 4
KILLS = [(8, "api"), (16, "worker"), (24, "api")]
"""Once so many buyers had their answer, this process is killed."""


class Deployment:
    """One API and one worker, and whoever restarts them."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self.api: Victim
        self.worker: Victim

    async def up(self) -> None:
        self.api, self.worker = await asyncio.gather(self._start("api"), self._start("worker"))

    async def kill_and_restart(self, which: str) -> None:
        victim: Victim = getattr(self, which)
        victim.kill()
        await victim.process.wait()
        setattr(self, which, await self._start(which))

    async def post(self, path: str, **request: object) -> httpx.Response | None:
        """One attempt over a real socket; None when no clear answer came."""
        assert self.api.address is not None
        try:
            async with httpx.AsyncClient(base_url=self.api.address, timeout=20, trust_env=False) as phone:
                reply = await phone.post(path, **request)  # type: ignore[arg-type]
        except httpx.TransportError:
            return None
        return None if reply.status_code in (502, 503) else reply


async def test_a_storm_of_kills_loses_nothing_and_doubles_nothing(
    api: httpx.AsyncClient,
    start: Start,
    stage: Stage,
    db: Database,
    settings: Settings,
    runtime: Runtime,
    drain: Drain,
    run_jobs: Callable[[], Awaitable[None]],
) -> None:
    shop = await open_shop(api, stage, db, settings, units=40)
    people = [await shop.customer() for _ in range(BUYERS)]
    deployment = Deployment(start)
    await deployment.up()
    ends = Counter[str]()

    async def insist(path: str, **request: object) -> httpx.Response:
        while True:
            reply = await deployment.post(path, **request)
            if reply is not None and not (reply.status_code == 409 and b"still_running" in reply.content):
                return reply
            await asyncio.sleep(0.1)

    async def buy(person: Person, number: int) -> None:
        body = {**shop.basket(1), "expected_payable_fen": shop.price_fen}
        headers = {"Authorization": person.headers["Authorization"], "Idempotency-Key": uuid4().hex}
        placed = await insist("/v1/mall/orders", json=body, headers=headers)
        ends[str(placed.status_code)] += 1
        if placed.status_code != 201 or number % 4 == 3:
            return
        transaction = await pay_in_silence(stage, placed.json()["payment"]["charge"])
        word = paid_word(stage, transaction)
        told = await insist(word.path, content=word.body, headers=word.headers)
        assert told.status_code == 204

    async def shop_on(person: Person) -> None:
        for number in range(ORDERS_EACH):
            await buy(person, number)

    async def storm() -> None:
        for answered, which in KILLS:
            while ends.total() < answered:  # noqa: ASYNC110  a test may look again
                await asyncio.sleep(0.01)
            await deployment.kill_and_restart(which)
            async with db.transaction() as session:  # leases run out faster than in life, to keep the test short
                await sql.execute(
                    session, "UPDATE idempotency_key SET lease_until = clock_timestamp() WHERE body IS NULL"
                )

    async with asyncio.timeout(120):
        await asyncio.gather(storm(), *(shop_on(person) for person in people))
    for victim in (deployment.api, deployment.worker):
        victim.kill()
        await victim.process.wait()

    assert ends == {"201": 40, "409": BUYERS * ORDERS_EACH - 40}
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE mall_order SET expires_at = clock_timestamp() WHERE status = 'unpaid'")
        await sql.execute(session, "UPDATE pgqueuer SET heartbeat = heartbeat - interval '10 minutes'")
        unpaid = await sql.fetch(session, "SELECT id FROM mall_order WHERE status = 'unpaid'")
    for row in unpaid:
        await flows.close_order(runtime, row["id"], reason=CloseReason.TIMEOUT)
    await run_jobs()
    await drain()
    paid_at_wechat = sum(one.state is TradeState.SUCCESS for one in simulator_of(stage).charges.values())
    assert await count(db, "SELECT count(*) FROM mall_order WHERE status = 'paid'") == paid_at_wechat
    assert await events(db, "mall.order_paid") == paid_at_wechat
    assert await count(db, "SELECT count(*) FROM mall_order") == 40
    assert await count(db, "SELECT sold FROM mall_stock") == paid_at_wechat
    assert await count(db, "SELECT reserved FROM mall_stock") == 0
    assert await count(db, "SELECT count(*) FROM event_dead_letter") == 0
    assert await refunds_due(db) == 0
    assert await audit(db) == []
