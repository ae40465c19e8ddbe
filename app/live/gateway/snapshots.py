"""The room's snapshot for viewers, asked from the API: one request per room at a time, its answer good for a second."""

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
from app.live.gateway.hub import Hub

log = structlog.get_logger(__name__)

_FRESH_S = 1.0
_PATIENCE_S = 4.0


class _Head(msgspec.Struct, frozen=True):
    epoch: str | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class Shot:
    """A snapshot as JSON; the position is null when the API could not reach Redis."""

    epoch: str | None
    seq: int | None
    room: bytes
    taken_at: float


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

    def forget(self, room_id: UUID) -> None:
        self._shots.pop(room_id, None)

    async def of(self, hub: Hub) -> Shot:
        """A snapshot of the hub's present epoch (or of none). Raises LiveUnavailable when the API has none in time.

        The API and this process learn of a new epoch at different moments, so one of the old epoch is asked again.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                shot = await self._fresh(hub.room_id)
                if shot.epoch is None or shot.epoch == hub.epoch:
                    return shot
                reason = "epoch"
            except (httpx.HTTPError, msgspec.DecodeError, OSError) as error:
                reason = repr(error)
            if time.monotonic() > deadline:
                log.warning("snapshot_missing", room=wire_id("rom", hub.room_id), reason=reason)
                raise LiveUnavailable
            await asyncio.sleep(0.1)

    async def _fresh(self, room_id: UUID) -> Shot:
        shot = self._shots.get(room_id)
        if shot is not None and time.monotonic() - shot.taken_at < _FRESH_S:
            return shot
        flight = self._flights.get(room_id)
        if flight is None:
            flight = self._flights[room_id] = asyncio.create_task(self._fetch(room_id))
            flight.add_done_callback(lambda _: self._flights.pop(room_id, None))
        # One viewer who goes away must not take the answer from the others.
        return await asyncio.shield(flight)

    async def _fetch(self, room_id: UUID) -> Shot:
        path = f"/v1/live/rooms/{wire_id('rom', room_id)}/snapshot"
        headers = {gateway_pass.HEADER: gateway_pass.sign(self._settings, path)}
        response = await self._client.get(path, headers=headers)
        response.raise_for_status()
        head = msgspec.json.decode(response.content, type=_Head)
        shot = Shot(head.epoch, head.seq, response.content, time.monotonic())
        self._shots[room_id] = shot
        return shot


def welcome_frame(shot: Shot, epoch: str, seq: int) -> bytes:
    position = frames.StreamPosition(epoch=epoch, seq=seq)
    return wire.text(frames.encode(frames.Welcome(streams=(position,), room=msgspec.Raw(shot.room))))


def gap_frame(shot: Shot, epoch: str, seq: int) -> bytes:
    gap = frames.Gap(stream=frames.STREAM, epoch=epoch, seq=seq, room=msgspec.Raw(shot.room))
    return wire.text(frames.encode(gap))
