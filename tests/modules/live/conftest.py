"""A live room of a real store, the API on a socket for the gateway, and a gateway in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from app.core.db import Database
from app.core.ids import new_id, parse, wire
from app.core.redis import Redis
from app.core.settings import Settings
from app.live import stream
from app.live.audit import audit
from app.live.frames import ChatSaid, encode
from app.live.gateway import Gateway, opened
from app.live.tickets import Pass, issue
from tests import sql
from tests.conftest import Stage
from tests.modules.live.viewers import Viewer
from tests.shop import Person, Shop

SCOPE = "/hq/east/s001/"


@pytest.fixture
async def host(shop: Shop, db: Database) -> Person:
    """A guide of the shop's store, which stores knows by name."""
    guide = await shop.staff("guide", SCOPE)
    async with db.transaction() as session:
        unit_id = new_id()
        await sql.execute(
            session,
            """INSERT INTO stores_unit (id, parent_id, kind, code, name, path, version)
               VALUES ($1, NULL, 'hq', 'hq', '总部', '/hq/', 1)""",
            unit_id,
        )
        await sql.execute(
            session,
            """INSERT INTO stores_store (id, unit_id, code, name, city, address, latitude, longitude, path, status,
                                         version)
               VALUES ($1, $2, 's001', '人民广场店', '上海', '', 31.2, 121.4, $3, 'open', 1)""",
            shop.store_id,
            unit_id,
            SCOPE,
        )
        staff_id = await sql.fetchval(session, "SELECT subject_id FROM auth_family WHERE scope_path = $1", SCOPE)
        await sql.execute(
            session,
            """INSERT INTO stores_staff (id, login, password_hash, role, store_id, scope_path, name, status, version)
               VALUES ($1, 'guide', '', 'guide', $2, $3, '小王', 'active', 1)""",
            staff_id,
            shop.store_id,
            SCOPE,
        )
    guide.id = wire("stf", staff_id)
    return guide


@pytest.fixture
async def room(shop: Shop, host: Person) -> dict[str, Any]:
    """The host's room, live."""
    opened_room = await host.post("/v1/admin/live/rooms", json={"store": shop.store, "title": "新茶", "start": True})
    assert opened_room.status_code == 201, opened_room.text
    body: dict[str, Any] = opened_room.json()
    return body


@pytest.fixture
async def api_url(api: httpx.AsyncClient, stage: Stage) -> AsyncIterator[str]:
    """The same app on a socket: the gateway is another process and asks it for snapshots."""
    assert stage.api_transport is not None
    config = uvicorn.Config(
        stage.api_transport.app,
        port=0,
        lifespan="off",
        log_config=None,
        ws="none",
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    await server.shutdown()


@pytest.fixture
async def gateway(settings: Settings, api_url: str, redis: Redis) -> AsyncIterator[Gateway]:
    async with opened(settings.model_copy(update={"live_port": 0, "live_api_url": api_url})) as running:
        yield running


@dataclass
class Hall:
    """The room seen from its clients: gives tickets, lets viewers in, speaks into the stream."""

    room_id: UUID
    redis: Redis
    gateway: Gateway
    viewers: list[Viewer] = field(default_factory=list)

    async def ticket(self, *, customer_id: UUID | None = None, muted_until: float = 0) -> str:
        admitted = Pass(room_id=self.room_id, customer_id=customer_id or new_id(), name="L**", muted_until=muted_until)
        return await issue(self.redis, admitted)

    def url(self, ticket: str, since: str | None = None) -> str:
        tail = f"&since={since}" if since else ""
        return f"ws://127.0.0.1:{self.gateway.port}/v1/live/socket?ticket={ticket}{tail}"

    async def enter(
        self, *, since: str | None = None, welcome: bool = True, customer_id: UUID | None = None, muted_until: float = 0
    ) -> Viewer:
        ticket = await self.ticket(customer_id=customer_id, muted_until=muted_until)
        viewer = await Viewer.open(self.url(ticket, since))
        self.viewers.append(viewer)
        if welcome:
            frame = await viewer.next()
            assert frame["type"] == "welcome"
        return viewer

    async def say(self, text: str) -> int:
        """A message of somebody at another gateway; its number."""
        said = ChatSaid(id=text, customer="cus_x", name="W**", text=text, at="2026-11-21T00:00:00.000Z")
        return (await stream.publish(self.redis, self.room_id, encode(said))).seq

    async def leave(self) -> None:
        await asyncio.gather(*(viewer.close() for viewer in self.viewers))


@pytest.fixture
async def hall(room: dict[str, Any], redis: Redis, gateway: Gateway) -> AsyncIterator[Hall]:
    made = Hall(parse("rom", room["id"]), redis, gateway)
    yield made
    await made.leave()


Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@pytest.fixture
def eventually() -> Eventually:
    """Wait for something that another task brings about, for eight seconds at most."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(8):
            while not condition():  # noqa: ASYNC110  the condition is another task's plain state
                await asyncio.sleep(0.01)

    return wait


async def told(redis: Redis, room: dict[str, Any]) -> list[dict[str, Any]]:
    """Every event of the room's stream."""
    entries = await stream.after(redis, parse("rom", room["id"]), 0, limit=1_000)
    return [json.loads(entry.event) for entry in entries]


async def audited(db: Database) -> list[str]:
    """What the auditor of live rooms finds."""
    async with db.transaction() as session:
        return await audit(session)
