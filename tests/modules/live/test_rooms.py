"""Rooms over HTTP: who may open and end them, what they show, what stays of them."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest

from app.core import redis as core_redis
from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.core.redis import Redis
from app.core.runtime import Runtime
from app.core.settings import Settings
from app.live import stream
from app.live.frames import ChatSaid, LikesCounted, encode
from app.live.gateway import Gateway
from app.live.gateway_pass import HEADER, sign
from app.live.schemas import SHELF_LIMIT
from app.mall.catalog import products
from app.mall.catalog.schemas import NewSku, ProductCreate
from tests import sql
from tests.conftest import Drain
from tests.modules.live.conftest import SCOPE, told
from tests.modules.live.viewers import Viewer
from tests.shop import Person, Shop

T = TypeVar("T")


async def test_a_guide_opens_starts_and_ends_a_room_of_their_store(
    host: Person, shop: Shop, drain: Drain, redis: Redis
) -> None:
    made = (await host.post("/v1/admin/live/rooms", json={"store": shop.store, "title": "新茶"})).json()
    assert (made["status"], made["version"], made["pinned"], made["shelf"]) == ("scheduled", 1, None, [])
    assert made["host"] == {"id": host.id, "name": "小王"}
    assert made["store"] == {"id": shop.store, "name": "人民广场店"}
    assert made["touchpoint"]["scene"] == made["touchpoint"]["id"]
    started = (await host.post(f"/v1/admin/live/rooms/{made['id']}/start")).json()
    again = (await host.post(f"/v1/admin/live/rooms/{made['id']}/start")).json()
    assert started["status"] == again["status"] == "live"
    assert started["started_at"] == again["started_at"]
    for _ in range(2):
        ended = await host.post(f"/v1/admin/live/rooms/{made['id']}/end")
        assert ended.json()["status"] == "ended"
    refused = await host.post(f"/v1/admin/live/rooms/{made['id']}/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "live_room_ended")
    await drain()
    assert [event["type"] for event in await told(redis, made)] == ["room.started", "room.ended"]


async def test_a_room_is_reached_only_from_its_own_scope(host: Person, shop: Shop, room: dict[str, Any]) -> None:
    path = f"/v1/admin/live/rooms/{room['id']}"
    acts = [
        ("GET", "", None),
        ("POST", "/start", None),
        ("POST", "/end", None),
        ("PUT", "/pinned", {"product": wire("prd", shop.product_id)}),
        ("DELETE", "/pinned", None),
        ("PUT", "/shelf", {"products": [], "version": 1}),
        ("POST", "/mutes", {"customer": wire("cus", new_id()), "until": "2099-01-01T00:00:00Z"}),
        ("GET", "/report", None),
    ]
    for role, scope, status in (("guide", "/hq/east/s002/", 404), ("region", "/hq/west/", 404)):
        stranger = await shop.staff(role, scope)
        for method, tail, body in acts:
            answer = await stranger.request(method, path + tail, json=body)
            assert answer.status_code == status, (role, tail, answer.text)
        opened = await stranger.post("/v1/admin/live/rooms", json={"store": shop.store, "title": "x"})
        assert opened.status_code == 404
        assert (await stranger.get("/v1/admin/live/rooms")).json()["items"] == []
    customer = await shop.customer()
    for method, tail, body in acts:
        assert (await customer.request(method, path + tail, json=body)).status_code == 403
    for role, scope in (("guide", SCOPE), ("manager", SCOPE), ("region", "/hq/east/"), ("hq", "/hq/")):
        colleague = await shop.staff(role, scope)
        assert (await colleague.get(path)).status_code == 200
        assert len((await colleague.get("/v1/admin/live/rooms")).json()["items"]) == 1


async def test_customers_list_rooms_newest_first_by_page(host: Person, shop: Shop) -> None:
    ids = []
    for number in range(5):
        body = {"store": shop.store, "title": f"r{number}", "start": number == 2}
        ids.append((await host.post("/v1/admin/live/rooms", json=body)).json()["id"])
    customer = await shop.customer()
    seen: list[str] = []
    after = ""
    while True:
        page = (await customer.get(f"/v1/live/rooms?limit=2{after}")).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == ids[::-1]
    assert (await customer.get("/v1/live/rooms?limit=2&count=true")).json()["count"] == 5
    assert (await host.get("/v1/admin/live/rooms?limit=2&count=true&status=live")).json()["count"] == 1
    live = (await customer.get(f"/v1/live/rooms?status=live&store={shop.store}")).json()["items"]
    assert [item["id"] for item in live] == [ids[2]]
    elsewhere = await customer.get(f"/v1/live/rooms?store={wire('sto', new_id())}")
    assert elsewhere.json()["items"] == []


async def test_the_host_pins_a_product_and_the_room_sees_its_card(
    host: Person, shop: Shop, room: dict[str, Any], drain: Drain, redis: Redis
) -> None:
    product = wire("prd", shop.product_id)
    path = f"/v1/admin/live/rooms/{room['id']}"
    pinned = (await host.put(f"{path}/pinned", json={"product": product})).json()
    assert (pinned["pinned"], pinned["shelf"], pinned["version"]) == (product, [product], room["version"] + 1)
    again = (await host.put(f"{path}/pinned", json={"product": product})).json()
    assert again["version"] == pinned["version"], "showing a product again changes nothing to be edited"
    customer = await shop.customer()
    snapshot = (await customer.get(f"/v1/live/rooms/{room['id']}")).json()
    card = {"product": product, "title": "明前龙井", "picture": None, "from_fen": shop.price_fen}
    assert snapshot["pinned"] == card
    assert snapshot["shelf"] == [card]
    unknown = await host.put(f"{path}/pinned", json={"product": wire("prd", new_id())})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "shelf_product_unknown")
    assert (await host.delete(f"{path}/pinned")).json()["pinned"] is None
    await host.delete(f"{path}/pinned")
    await drain()
    events = await told(redis, room)
    assert [event["type"] for event in events] == [
        "room.started",
        "product.pinned",
        "product.pinned",
        "product.unpinned",
    ]
    assert events[1]["card"] == card


async def test_the_shelf_is_set_whole_with_its_version(host: Person, shop: Shop, room: dict[str, Any]) -> None:
    product = wire("prd", shop.product_id)
    path = f"/v1/admin/live/rooms/{room['id']}/shelf"
    stale = await host.put(path, json={"products": [product], "version": room["version"] + 7})
    assert (stale.status_code, stale.json()["details"]) == (409, {"version": room["version"]})
    filled = (await host.put(path, json={"products": [product, product], "version": room["version"]})).json()
    assert filled["shelf"] == [product]
    await host.put(f"/v1/admin/live/rooms/{room['id']}/pinned", json={"product": product})
    emptied = (await host.put(path, json={"products": [], "version": filled["version"]})).json()
    assert (emptied["shelf"], emptied["pinned"]) == ([], None)
    too_many = [wire("prd", uuid4()) for _ in range(101)]
    assert (await host.put(path, json={"products": too_many, "version": 1})).status_code == 422


async def test_a_full_shelf_takes_no_more_and_can_still_be_edited(
    host: Person, shop: Shop, room: dict[str, Any], db: Database
) -> None:
    made = []
    async with db.transaction() as session:
        for number in range(SHELF_LIMIT + 1):
            request = ProductCreate(title=f"茶 {number}", skus=[NewSku(title="250g", list_fen=100)])
            made.append(wire("prd", (await products.create_product(session, request)).id))
    *shelved, one_more = made
    path = f"/v1/admin/live/rooms/{room['id']}"
    full = (await host.put(f"{path}/shelf", json={"products": shelved, "version": room["version"]})).json()
    assert full["shelf"] == shelved
    refused = await host.put(f"{path}/pinned", json={"product": one_more})
    assert (refused.status_code, refused.json()["code"]) == (409, "shelf_full")
    assert refused.json()["details"] == {"limit": SHELF_LIMIT}
    assert (await host.get(path)).json() == full, "a refusal leaves the room as it was"
    pinned = (await host.put(f"{path}/pinned", json={"product": shelved[-1]})).json()
    customer = await shop.customer()
    snapshot = (await customer.get(f"/v1/live/rooms/{room['id']}")).json()
    assert (snapshot["pinned"]["product"], len(snapshot["shelf"])) == (shelved[-1], SHELF_LIMIT)
    fewer = await host.put(f"{path}/shelf", json={"products": pinned["shelf"][1:], "version": pinned["version"]})
    assert fewer.status_code == 200, fewer.text
    joined = (await host.put(f"{path}/pinned", json={"product": one_more})).json()
    assert (joined["pinned"], joined["shelf"]) == (one_more, [*shelved[1:], one_more])


async def test_a_ticket_is_a_visit_and_opens_the_socket(
    shop: Shop, room: dict[str, Any], gateway: Gateway, host: Person, db: Database
) -> None:
    customer = await shop.customer("李小红")
    for _ in range(2):
        ticket = await customer.post(f"/v1/live/rooms/{room['id']}/tickets")
        assert ticket.status_code == 201, ticket.text
    body = ticket.json()
    assert body["url"].endswith(f"/v1/live/socket?ticket={body['ticket']}")
    assert body["expires_at"] > body["server_now"]
    viewer = await Viewer.open(f"ws://127.0.0.1:{gateway.port}/v1/live/socket?ticket={body['ticket']}")
    welcome = await viewer.next()
    snapshot = (await customer.get(f"/v1/live/rooms/{room['id']}")).json()
    assert set(welcome["room"]) == set(snapshot)
    assert welcome["room"]["me"] is None
    assert snapshot["me"] == {"muted_until": None}
    await viewer.send(type="say", id="1", text="你好")
    said = (await viewer.heard("chat.said", 1))[0]
    assert (said["name"], said["customer"]) == ("李**", customer.id)
    assert (await host.get(f"/v1/admin/live/rooms/{room['id']}/report")).json()["viewers_unique"] == 1
    async with db.transaction() as session:
        touched = await sql.fetchval(
            session, "SELECT count(*) FROM attribution_touch WHERE room_id = $1", parse("rom", room["id"])
        )
    assert touched == 2
    await viewer.close()


async def test_a_mute_reaches_open_sockets_later_tickets_and_the_snapshot(
    shop: Shop, room: dict[str, Any], gateway: Gateway, host: Person, drain: Drain
) -> None:
    customer, path = await shop.customer(), f"/v1/live/rooms/{room['id']}"

    async def enter() -> Viewer:
        ticket = (await customer.post(f"{path}/tickets")).json()["ticket"]
        viewer = await Viewer.open(f"ws://127.0.0.1:{gateway.port}/v1/live/socket?ticket={ticket}")
        await viewer.next()
        return viewer

    until = datetime.now(UTC) + timedelta(minutes=10)
    body = {"customer": customer.id, "until": until.isoformat()}
    mutes = f"/v1/admin/live/rooms/{room['id']}/mutes"
    assert (await host.post(mutes, json=body)).status_code == 404, "they were never in the room"
    open_socket = await enter()
    assert (await host.post(mutes, json=body)).status_code == 201
    await drain()
    assert (await open_socket.until("member.muted"))["customer"] == customer.id
    later = await enter()
    for viewer in (open_socket, later):
        await viewer.send(type="say", id="1", text="hello")
        assert (await viewer.until("error"))["code"] == "muted"
    assert (await customer.get(path)).json()["me"]["muted_until"] is not None
    lifted = {"customer": customer.id, "until": "2020-01-01T00:00:00Z"}
    assert (await host.post(mutes, json=lifted)).status_code == 201
    await drain()
    while len(open_socket.of("member.muted")) < 2:
        await open_socket.next()
    await open_socket.send(type="say", id="2", text="again")
    await open_socket.heard("chat.said", 1)
    assert (await customer.get(path)).json()["me"] == {"muted_until": None}
    await open_socket.close()
    await later.close()


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+08:00",
        "9999-12-31T23:59:59-12:00",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "2026-11-21T13:15:00",
        "2026-11-21",
        "1795267800",
        1795267800,
        True,
    ],
)
async def test_a_moment_that_no_calendar_needs_is_refused(
    host: Person, shop: Shop, room: dict[str, Any], moment: Any
) -> None:
    mute = {"customer": wire("cus", new_id()), "until": moment}
    announced = {"store": shop.store, "title": "新茶", "starts_at": moment}
    for path, body, field in (
        (f"/v1/admin/live/rooms/{room['id']}/mutes", mute, "body.until"),
        ("/v1/admin/live/rooms", announced, "body.starts_at"),
    ):
        refused = await host.post(path, json=body)
        assert refused.status_code == 422, refused.text
        assert [fault["field"] for fault in refused.json()["details"]["fields"]] == [field]


async def test_a_moment_is_told_back_in_utc(host: Person, shop: Shop) -> None:
    body = {"store": shop.store, "title": "新茶", "starts_at": "2026-11-21T21:15:00.5+08:00"}
    opened = await host.post("/v1/admin/live/rooms", json=body)
    assert opened.json()["starts_at"] == "2026-11-21T13:15:00.500Z"


async def test_titles_and_tip_messages_are_one_line_without_control_characters(
    host: Person, shop: Shop, room: dict[str, Any]
) -> None:
    fan = await shop.customer()
    titled = {"store": shop.store, "title": "新\u202e茶"}
    tip = {"amount_fen": 100, "message": "讲得\n好"}
    for refused in (
        await host.post("/v1/admin/live/rooms", json=titled),
        await fan.post(f"/v1/live/rooms/{room['id']}/tips", json=tip, headers={"Idempotency-Key": "t"}),
    ):
        assert (refused.status_code, refused.json()["details"]["fields"][0]["fault"]) == (422, "not_plain")


async def test_an_ended_room_gives_no_tickets(shop: Shop, room: dict[str, Any], host: Person) -> None:
    await host.post(f"/v1/admin/live/rooms/{room['id']}/end")
    customer = await shop.customer()
    refused = await customer.post(f"/v1/live/rooms/{room['id']}/tickets")
    assert (refused.status_code, refused.json()["code"]) == (409, "live_room_ended")
    unknown = await customer.post(f"/v1/live/rooms/{wire('rom', new_id())}/tickets")
    assert unknown.status_code == 404


@pytest.fixture
async def without_redis(runtime: Runtime, settings: Settings) -> Runtime:
    """The API's Redis is gone: nothing listens there."""
    runtime.redis = core_redis.connect(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"}))
    return runtime


async def test_without_redis_the_screen_still_answers_and_tickets_say_so(
    shop: Shop, room: dict[str, Any], without_redis: Runtime, host: Person
) -> None:
    customer = await shop.customer()
    snapshot = (await customer.get(f"/v1/live/rooms/{room['id']}")).json()
    assert (snapshot["epoch"], snapshot["seq"], snapshot["messages"]) == (None, None, [])
    assert snapshot["title"] == "新茶"
    ticket = await customer.post(f"/v1/live/rooms/{room['id']}/tickets")
    assert (ticket.status_code, ticket.json()["code"]) == (503, "live_unavailable")
    assert (await host.get(f"/v1/admin/live/rooms/{room['id']}/report")).json()["viewers_unique"] == 1
    tip = await customer.post(
        f"/v1/live/rooms/{room['id']}/tips", json={"amount_fen": 100}, headers={"Idempotency-Key": "t"}
    )
    assert tip.status_code == 201, "money goes on"


async def test_only_a_gateway_reads_the_shared_snapshot(
    api: httpx.AsyncClient, room: dict[str, Any], settings: Settings, shop: Shop
) -> None:
    path = f"/v1/live/rooms/{room['id']}/snapshot"
    assert (await api.get(path)).status_code == 401
    assert (await api.get(path, headers={HEADER: "1.abc"})).status_code == 401
    assert (await api.get(path, headers={HEADER: sign(settings, "/v1/live/rooms/x/snapshot")})).status_code == 401
    customer = await shop.customer()
    assert (await customer.get(path)).status_code == 401
    answered = await api.get(path, headers={HEADER: sign(settings, path)})
    assert answered.json()["me"] is None


async def test_the_last_fifty_messages_are_shown_whatever_else_happened(
    shop: Shop, room: dict[str, Any], redis: Redis
) -> None:
    room_id: UUID = parse("rom", room["id"])
    for number in range(60):
        said = ChatSaid(id="1", customer="cus_x", name="W**", text=f"m{number}", at="2026-11-21T00:00:00.000Z")
        await stream.publish(redis, room_id, encode(said))
    last = await stream.publish(redis, room_id, *(encode(LikesCounted(count=count)) for count in range(1_000)))
    snapshot = (await (await shop.customer()).get(f"/v1/live/rooms/{room['id']}")).json()
    assert snapshot["seq"] == last.seq
    shown = [(message["seq"], message["text"]) for message in snapshot["messages"]]
    assert shown == [(number + 1, f"m{number}") for number in range(10, 60)]
    kept_s = await redis.ttl(stream.stream_key(room_id).replace("stream", "messages"))
    assert stream.KEEP_S - 60 < kept_s <= stream.KEEP_S
    await redis.delete(stream.stream_key(room_id).replace("stream", "meta"))
    await stream.position(redis, room_id)
    assert (await stream.messages(redis, room_id))[1] == [], "numbers of an older epoch say nothing"


async def test_asking_for_rooms_that_do_not_exist_leaves_nothing_in_redis(shop: Shop, redis: Redis) -> None:
    customer = await shop.customer()
    for _ in range(3):
        assert (await customer.get(f"/v1/live/rooms/{wire('rom', new_id())}")).status_code == 404
    assert await redis.keys("live:*") == []
