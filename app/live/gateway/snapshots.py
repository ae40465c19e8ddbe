"""The room's snapshot, from the API: one request per room at a time, whose reply serves everybody for a second."""

import asyncio
import time
from dataclasses import dataclass
from uuid import UUID

import httpx
import msgspec
import structlog

from app.core.ids import wire as wire_id
from app.core.settings import Settings
from app.live import frames, gateway_pass
from app.live.errors import LiveUnavailable
from app.live.gateway import wire
from app.live.gateway.hub import Hub, Truth, unix
from app.live.schemas import RoomStatus
from app.live.stream import Position

log = structlog.get_logger(__name__)

_FRESH_S = 1.0
_PATIENCE_S = 4.0


class _Mute(msgspec.Struct, frozen=True):
    customer: str
    until: str


class _Told(msgspec.Struct, frozen=True):
    epoch: str | None
    seq: int | None
    status: RoomStatus
    mutes: tuple[_Mute, ...] = ()
    mutes_at: str = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Shot:
    """The room at a position: the frames that bring viewers there, and what the gateway itself goes by."""

    position: Position
    truth: Truth
    taken_at: float
    welcome: bytes
    gap: bytes


class Snapshots:
    """All rooms of one gateway."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(base_url=settings.live_api_url, timeout=3, trust_env=False)
        self._shots: dict[UUID, Shot] = {}
        self._flights: dict[UUID, asyncio.Task[Shot]] = {}

    async def close(self) -> None:
        for flight in self._flights.values():
            flight.cancel()
        await self._client.aclose()

    async def of(self, hub: Hub) -> Shot:
        """A snapshot that the hub's events can follow. Raises LiveUnavailable when the API has none in time.

        The API and this process learn of a new epoch at different moments, so a snapshot of the old epoch is requested
        again.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                shot = await self._fresh(hub)
                if hub.goes_on_from(shot.position):
                    return shot
                reason = "position"
            except (httpx.HTTPError, msgspec.DecodeError, OSError) as error:
                reason = repr(error)
            if time.monotonic() > deadline:
                log.warning("snapshot_missing", room=wire_id("rom", hub.room_id), reason=reason)
                raise LiveUnavailable
            await asyncio.sleep(0.1)

    async def _fresh(self, hub: Hub) -> Shot:
        shot = self._shots.get(hub.room_id)
        if shot is not None and time.monotonic() - shot.taken_at < _FRESH_S and hub.goes_on_from(shot.position):
            return shot
        flight = self._flights.get(hub.room_id)
        if flight is None:
            flight = self._flights[hub.room_id] = asyncio.create_task(self._fetch(hub))
            flight.add_done_callback(lambda _: self._flights.pop(hub.room_id, None))
        # A viewer who goes away must not cancel it for the others.
        return await asyncio.shield(flight)

    async def _fetch(self, hub: Hub) -> Shot:
        # Without Redis the API does not know the position: what it reads is at least as new as what was sent before.
        undated = Position(hub.epoch, hub.sent)
        path = f"/v1/live/rooms/{wire_id('rom', hub.room_id)}/snapshot"
        headers = {gateway_pass.HEADER: gateway_pass.sign(self._settings, path)}
        response = await self._client.get(path, params={"epoch": hub.epoch, "seq": hub.base}, headers=headers)
        response.raise_for_status()
        told = msgspec.json.decode(response.content, type=_Told)
        members = msgspec.json.decode(response.content, type=dict[str, msgspec.Raw])
        room = {name: value for name, value in members.items() if name not in ("mutes", "mutes_at")}
        position = undated if told.epoch is None or told.seq is None else Position(told.epoch, told.seq)
        shot = Shot(
            position=position,
            truth=Truth(
                ended=told.status is RoomStatus.ENDED,
                mutes={mute.customer: unix(mute.until) for mute in told.mutes},
                at=unix(told.mutes_at),
            ),
            taken_at=time.monotonic(),
            welcome=_welcome_frame(position, msgspec.json.encode(room)),
            gap=_gap_frame(position, msgspec.json.encode(room)),
        )
        self._shots[hub.room_id] = shot
        return shot

    def forget(self, room_id: UUID) -> None:
        self._shots.pop(room_id, None)


def _welcome_frame(at: Position, room: bytes) -> bytes:
    position = frames.StreamPosition(epoch=at.epoch, seq=at.seq)
    return wire.text(frames.encode(frames.Welcome(streams=(position,), room=msgspec.Raw(room))))


def _gap_frame(at: Position, room: bytes) -> bytes:
    gap = frames.Gap(stream=frames.STREAM, epoch=at.epoch, seq=at.seq, room=msgspec.Raw(room))
    return wire.text(frames.encode(gap))
