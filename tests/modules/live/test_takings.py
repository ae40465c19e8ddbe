"""Announcements of sales, once each; takings and counts; and lists of many old rooms."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import pytest

from app.core.auth import Actor, Kind, Role
from app.core.db import Database, Session
from app.core.events import Event
from app.core.ids import new_id, parse, wire
from app.core.paging import Paging
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.live import consumers, flows, presence, rooms, stream, takings
from app.live.frames import ChatSaid, encode
from app.live.schemas import RoomStatus
from tests import sql
from tests.conftest import Drain
from tests.modules.live.conftest import SCOPE, audited, told
from tests.shop import Person, Shop

T = TypeVar("T")


async def test_a_paid_order_is_heard_counted_and_clawed_back_by_its_refund(
    shop: Shop, room: dict[str, Any], host: Person, drain: Drain, redis: Redis, db: Database
) -> None:
    product = wire("prd", shop.product_id)
    await host.put(f"/v1/admin/live/rooms/{room['id']}/pinned", json={"product": product})
    buyer = await shop.customer("李小红")
    await buyer.post(f"/v1/live/rooms/{room['id']}/tickets")
    placed = await buyer.order(2)
    assert "order.paid" not in [event["type"] for event in await told(redis, room)]
    await buyer.pay(placed)
    await drain()
    heard = (await told(redis, room))[-1]
    assert heard.pop("at")
    assert heard == {"type": "order.paid", "name": "李**", "product": product, "title": heard["title"], "quantity": 2}
    manager = await shop.staff("hq")
    refund = await manager.post(
        f"/v1/admin/mall/orders/{placed['order']['id']}/refunds",
        json={
            "lines": [{"line": placed["order"]["lines"][0]["id"], "quantity": 1, "restock": True}],
            "reason": "x",
        },
        headers={"Idempotency-Key": "r"},
    )
    assert refund.status_code == 201, refund.text
    await drain()
    report = (await host.get(f"/v1/admin/live/rooms/{room['id']}/report")).json()
    assert (report["orders"], report["paid_fen"], report["refunded_fen"]) == (1, 2 * shop.price_fen, shop.price_fen)
    assert await audited(db) == []
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE live_taking SET amount_fen = amount_fen + 1 WHERE kind = 'order'")
    assert len(await audited(db)) == 1


async def test_an_order_outside_of_rooms_is_passed_over(
    shop: Shop, room: dict[str, Any], drain: Drain, redis: Redis, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Event] = []
    monkeypatch.setattr(consumers, "takings_of", lambda event: sent.append(event))
    buyer = await shop.customer()
    await buyer.pay(await buyer.order())
    await drain()
    assert sent == []
    assert [event["type"] for event in await told(redis, room)] == ["room.started"]
    async with db.transaction() as session:
        head = await sql.fetchval(session, "SELECT max(seq) FROM event")
        seen = await sql.fetch(session, "SELECT seq FROM event_cursor WHERE consumer LIKE 'live.%'")
    assert {row["seq"] for row in seen} == {head}
    assert await audited(db) == []


async def test_a_batch_that_is_relayed_again_is_heard_once(
    shop: Shop, room: dict[str, Any], drain: Drain, redis: Redis, db: Database, host: Person
) -> None:
    await host.put(f"/v1/admin/live/rooms/{room['id']}/pinned", json={"product": wire("prd", shop.product_id)})
    await drain()
    before = await told(redis, room)
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE event_cursor SET seq = 0 WHERE consumer = 'live.announcements'")
    await drain()
    assert await told(redis, room) == before
    assert len(before) == 2


async def test_what_a_room_could_not_be_told_it_hears_once_when_it_is_replayed(
    shop: Shop, room: dict[str, Any], drain: Drain, redis: Redis, db: Database
) -> None:
    async with db.transaction() as session:
        started_at = await sql.fetchval(
            session, "SELECT payload->>'started_at' FROM event_outbox WHERE type = 'live.room_started'"
        )
        await sql.execute(
            session, "UPDATE event_outbox SET payload = payload - 'started_at' WHERE type = 'live.room_started'"
        )
    buyer = await shop.customer("李小红")
    await buyer.post(f"/v1/live/rooms/{room['id']}/tickets")
    tip = await buyer.post(
        f"/v1/live/rooms/{room['id']}/tips", json={"amount_fen": 100}, headers={"Idempotency-Key": "t"}
    )
    await buyer.pay(tip.json())
    await drain()
    assert [event["type"] for event in await told(redis, room)] == ["tip.paid"]

    manager = await shop.staff("hq")
    (letter,) = (await manager.get("/v1/admin/events/dead-letters")).json()["items"]
    assert (letter["consumer"], letter["type"]) == ("live.announcements", "live.room_started")
    path = f"/v1/admin/events/dead-letters/{letter['id']}/replay"
    assert (await manager.post(path)).json() == {"replayed": 0}
    async with db.transaction() as session:
        await sql.execute(
            session,
            "UPDATE event SET payload = payload || jsonb_build_object('started_at', $1::text) WHERE seq = $2",
            started_at,
            letter["seq"],
        )
    assert (await manager.post(path)).json() == {"replayed": 1}
    assert [event["type"] for event in await told(redis, room)] == ["tip.paid", "room.started"]
    async with db.transaction() as session:
        await sql.execute(session, "UPDATE event_dead_letter SET resolved_at = NULL")
    assert (await manager.post(path)).json() == {"replayed": 1}
    assert len(await told(redis, room)) == 2, "sent again, heard once"
    assert await audited(db) == []


async def test_among_many_old_rooms_only_those_asked_for_are_read(
    host: Person, shop: Shop, room: dict[str, Any], db: Database
) -> None:
    """A list costs what it finds, however many rooms the brand has had; so does the copying of counts."""
    own: UUID = parse("rom", room["id"])
    async with db.transaction() as session:
        await sql.execute(
            session,
            """INSERT INTO live_room (id, store_id, host_id, title, kind, status, scope_path, touchpoint_id,
                                      touchpoint_path, started_at, ended_at, version)
               SELECT made_id, made_id, made_id, 'old', 'rtmp', 'ended',
                      '/hq/' || (CASE WHEN n % 100 = 0 THEN 'north' ELSE 'west' END) || '/s' || n % 400 || '/', made_id, '',
                      clock_timestamp() - interval '3 days', clock_timestamp() - interval '2 days', 1
               FROM (SELECT n, gen_random_uuid() AS made_id FROM generate_series(1, 5000) AS n) AS made""",
        )
        await sql.execute(session, "ANALYZE live_room")

    async def reading(read: Callable[[Session], Awaitable[T]]) -> tuple[T, int]:
        """The answer, and how many rooms the database looked at for it."""
        looked = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'live_room'"
        async with db.transaction() as session:
            before = await sql.fetchval(session, looked)
            answer = await read(session)
            return answer, await sql.fetchval(session, looked) - before

    def staff(role: Role, scope_path: str) -> Actor:
        return Actor(kind=Kind.STAFF, id=new_id(), family=new_id(), role=role, scope_path=scope_path)

    def listed(actor: Actor | None, status: RoomStatus | None = None) -> Callable[[Session], Awaitable[list[UUID]]]:
        async def read(session: Session) -> list[UUID]:
            paging = Paging(limit=20)
            if actor is None:
                page = await rooms.list_rooms(session, paging, store_id=None, status=status)
            else:
                page = await rooms.list_rooms_in_scope(session, paging, actor, store_id=None, status=status)
            return [card.id for card in page.items]

        return read

    assert await reading(lambda session: takings.counted_rooms(session, limit=1_000)) == ([own], 1)
    assert await reading(listed(staff(Role.GUIDE, SCOPE))) == ([own], 1)
    assert await reading(listed(staff(Role.REGION, "/hq/east/"))) == ([own], 1)
    assert await reading(listed(None, RoomStatus.LIVE)) == ([own], 1)
    found, looked_at = await reading(listed(staff(Role.REGION, "/hq/north/")))
    assert len(found) == 20
    assert looked_at <= 50
    async with db.transaction() as session:
        await sql.execute(
            session, "UPDATE live_room SET status = 'ended', ended_at = clock_timestamp() WHERE id = $1", own
        )
    ended, _ = await reading(lambda session: takings.counted_rooms(session, limit=1_000))
    assert ended == [own], "counts may still come for an hour"


async def test_counts_are_kept_when_redis_forgets_them(
    room: dict[str, Any], host: Person, redis: Redis, runtime: Runtime
) -> None:
    room_id: UUID = parse("rom", room["id"])
    came = [presence.socket_name("gateway", number, f"cus_{number}") for number in range(87)]
    taps = {f"cus_{number}": 100 for number in range(5)}
    await presence.tell(redis, room_id, "gateway", presence.Beat(number=1, came=came, taps=taps))
    said = ChatSaid(id="1", customer="cus_x", name="W**", text="hello", at="2026-11-21T00:00:00.000Z")
    await stream.publish(redis, room_id, *12 * [encode(said)])
    await flows.keep_counts(runtime)
    await redis.flushdb()
    report = (await host.get(f"/v1/admin/live/rooms/{room['id']}/report")).json()
    assert (report["viewers"], report["viewers_peak"], report["likes"], report["chats"]) == (0, 87, 500, 12)
