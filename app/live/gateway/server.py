"""The gateway: the handshake, one handler per socket, an orderly end."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import parse_qs

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from app.core import redis as core_redis
from app.core.errors import AppError, NotFound
from app.core.http.problems import problem_body
from app.core.settings import Settings
from app.live import frames
from app.live.errors import LiveUnavailable, UpgradeRequired
from app.live.frames import ByeCode
from app.live.gateway import joining, metrics, speech, wire
from app.live.gateway.admission import Redemption, check_origin
from app.live.gateway.hub import Hub
from app.live.gateway.rooms import Rooms
from app.live.gateway.snapshots import Snapshots
from app.live.gateway.socket import Socket
from app.live.gateway.tasks import Tasks
from app.live.gateway.viewers import NEVER, Viewer

log = structlog.get_logger(__name__)

SOCKET_PATH = "/v1/live/socket"
END_GRACE_S = 3.0
STOP_S = 10.0
_PING_EVERY_S = 25
_PONG_WITHIN_S = 35


class Gateway:
    """One process's sockets. `port` is known after `open`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = core_redis.connect(settings)
        self._redemption = Redemption(self._redis)
        self._snapshots = Snapshots(settings)
        self._rooms = Rooms(self._redis, self._snapshots, drop=self._drop, on_end=self._end)
        self._viewers: set[Viewer] = set()
        self._tasks = Tasks()
        self._server: Server | None = None
        self.port = 0

    async def open(self) -> None:
        """Accept sockets."""
        self._server = await serve_websocket(
            self._serve_viewer,
            self._settings.host,
            self._settings.live_port,
            process_request=self._admit,
            create_connection=Socket,
            compression=None,
            max_size=frames.FRAME_LIMIT_BYTES,
            ping_interval=_PING_EVERY_S,
            ping_timeout=_PONG_WITHIN_S,
            close_timeout=wire.CLOSE_S,
            server_header=None,
            backlog=2_048,
            logger=_quiet(),
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        log.info("live_ready", port=self.port)

    async def close(self) -> None:
        """Accept no more sockets, tell every viewer when to come back, and send the last heartbeats."""
        assert self._server is not None
        self._server.close(close_connections=False)
        for viewer in list(self._viewers):
            self._drop(viewer, ByeCode.RESTARTING)
        try:
            async with asyncio.timeout(STOP_S):
                await self._tasks.ended()
                await self._server.wait_closed()
        except TimeoutError:
            for connection in list(self._server.all_connections):
                connection.transport.abort()
            await self._tasks.cancel()
        await self._rooms.close()
        await self._snapshots.close()
        await self._redis.aclose()

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Before the upgrade: health and metrics, else origin and ticket. A refusal is an HTTP problem."""
        assert isinstance(connection, Socket)
        path, _, query = request.path.partition("?")
        if path == "/health/live":
            return _response(200, b'{"status":"ok"}', "application/json")
        if path == "/metrics":
            return _response(200, generate_latest(metrics.REGISTRY), CONTENT_TYPE_LATEST)
        try:
            if path != SOCKET_PATH:
                raise NotFound
            if [value.lower() for value in request.headers.get_all("Upgrade")] != ["websocket"]:
                raise UpgradeRequired
            check_origin(request, self._settings.allowed_origins)
            parameters = parse_qs(query)
            if "since" in parameters:
                # An unreadable one is answered as one that is too old: with a gap.
                connection.since = joining.parse_since(parameters["since"][0]) or joining.Since("", 0)
            connection.admitted = await self._redemption.redeem(parameters.get("ticket", [""])[0])
        except AppError as error:
            metrics.REFUSED.labels(error.code()).inc()
            return _problem(error, request)
        return None

    async def _serve_viewer(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Socket)
        viewer = Viewer(connection, connection.admitted)
        self._viewers.add(viewer)
        hub: Hub | None = None
        try:
            hub = await self._rooms.enter(viewer)
            if hub.ended:
                self._tasks.spawn(self._bye_later(hub))
            await self._rooms.greet(hub, viewer, connection.since)
            async for message in connection:
                await speech.hear(self._redis, hub, viewer, message)
        except ConnectionClosed:
            pass
        except speech.TooManyFrames:
            self._drop(viewer, ByeCode.TOO_MANY_FRAMES)
        except joining.TooSlow:
            self._drop(viewer, ByeCode.TOO_SLOW)
        except (LiveUnavailable, RedisError, OSError) as error:
            log.warning("viewer_lost", error=repr(error))
            self._drop(viewer, ByeCode.LIVE_UNAVAILABLE)
        finally:
            if hub is not None:
                self._rooms.leave(hub, viewer)
            self._viewers.discard(viewer)
        await connection.wait_closed()

    def _drop(self, viewer: Viewer, why: ByeCode) -> None:
        """Send `bye` and close. Returns at once."""
        if why == ByeCode.TOO_SLOW:
            metrics.DROPPED.inc()
        viewer.holds = NEVER
        self._viewers.discard(viewer)
        close = frames.CLOSES[why]
        wait_ms = random.randint(500, 5_000) if close.comes_back else None
        viewer.tell(frames.Bye(code=why, retry_after_ms=wait_ms))
        self._tasks.spawn(wire.close(viewer.connection, close.code, why))

    def _end(self, hub: Hub) -> None:
        self._tasks.spawn(self._bye_later(hub))

    async def _bye_later(self, hub: Hub) -> None:
        await asyncio.sleep(END_GRACE_S)
        for viewer in list(hub.viewers):
            self._drop(viewer, ByeCode.ROOM_ENDED)


def _quiet() -> logging.Logger:
    """A quiet log for the library, which would report every refused handshake."""
    logger = logging.getLogger("siyu.live.websockets")
    logger.setLevel(logging.CRITICAL)
    return logger


def _response(status: int, body: bytes, media_type: str, **more: str) -> Response:
    headers = Headers({"Content-Type": media_type, "Content-Length": str(len(body)), "Connection": "close", **more})
    return Response(status, HTTPStatus(status).phrase, headers, body)


def _problem(error: AppError, request: Request) -> Response:
    language = next(iter(request.headers.get_all("Accept-Language")), "en")
    body = json.dumps(problem_body(error, language, None), ensure_ascii=False).encode()
    return _response(error.status_code, body, "application/problem+json", **error.headers())


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway that accepts sockets inside the block (`settings.live_port` 0: any free port)."""
    gateway = Gateway(settings)
    await gateway.open()
    try:
        yield gateway
    finally:
        await gateway.close()


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve viewers until `stop` is set, then send each of them away with a time to come back. Run it on uvloop."""
    async with opened(settings):
        await stop.wait()
