"""Bringing a viewer to where the room is: welcome, resume, resync, gap. It ends with the viewer in the hot set."""

import asyncio
from dataclasses import dataclass

from app.core.redis import Redis
from app.live import frames, stream
from app.live.errors import LiveUnavailable
from app.live.gateway import metrics, wire
from app.live.gateway.hub import FRAME_EVENTS, Hub
from app.live.gateway.snapshots import Shot, Snapshots
from app.live.gateway.viewers import Viewer

SLOW_S = 10.0
GAP_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Since:
    """The position that a returning client says it has."""

    epoch: str
    seq: int


def parse_since(text: str | None) -> Since | None:
    """`room:EPOCH:SEQ[,other:EPOCH:SEQ]`; None when it names no readable position of the room."""
    for part in (text or "").split(","):
        name, _, rest = part.partition(":")
        epoch, _, seq = rest.partition(":")
        if name == frames.STREAM and 0 < len(epoch) <= 32 and seq.isascii() and seq.isdigit() and len(seq) <= 15:
            return Since(epoch, int(seq))
    return None


class TooSlow(Exception):
    """The viewer did not receive what was missed within the time allowed."""


async def greet(redis: Redis, snapshots: Snapshots, hub: Hub, viewer: Viewer, since: Since | None) -> None:
    """The first frames of a socket. Raises LiveUnavailable when there is no snapshot, TooSlow."""
    if since is None:
        shot = await _snapshot(snapshots, hub)
        viewer.write(shot.welcome)
        viewer.epoch, viewer.seq = shot.position.epoch, shot.position.seq
    else:
        position = frames.StreamPosition(epoch=since.epoch, seq=since.seq)
        viewer.write(wire.text(frames.encode(frames.Welcome(streams=(position,), room=frames.NULL))))
        viewer.epoch, viewer.seq = since.epoch, since.seq
    await bring(redis, snapshots, hub, viewer)


async def resync(redis: Redis, snapshots: Snapshots, hub: Hub, viewer: Viewer) -> None:
    """Take back a viewer who was left out and has received most of what was unsent."""
    notice = frames.Resync(stream=frames.STREAM, epoch=viewer.epoch, seq=viewer.seq)
    viewer.write(wire.text(frames.encode(notice)))
    await bring(redis, snapshots, hub, viewer)


async def bring(redis: Redis, snapshots: Snapshots, hub: Hub, viewer: Viewer) -> None:
    """Send exactly what the viewer missed, or a gap with a snapshot when that is not known any more, up to the hot set."""
    gaps = 0
    while viewer.open:
        if viewer.epoch == hub.epoch and await _catch_up(redis, hub, viewer):
            return
        if gaps:
            await asyncio.sleep(min(2.0, GAP_PAUSE_S * 2**gaps))
        await _drained(viewer)
        if not viewer.open:
            return
        shot = await _snapshot(snapshots, hub)
        viewer.write(shot.gap)
        viewer.epoch, viewer.seq = shot.position.epoch, shot.position.seq
        gaps += 1
        metrics.GAPS.inc()


async def _snapshot(snapshots: Snapshots, hub: Hub) -> Shot:
    """A snapshot of the room. It may be newer than what this process has sent: then wait until that is sent too, so that no
    viewer is sent what the snapshot already shows."""
    for _ in range(5):
        shot = await snapshots.of(hub)
        if await hub.reached(shot.position.seq):
            return shot
    raise LiveUnavailable


async def _catch_up(redis: Redis, hub: Hub, viewer: Viewer) -> bool:
    """From the ring, from the stream where the ring does not reach; False when the stream does not either."""
    while viewer.open and viewer.epoch == hub.epoch:
        if viewer.seq > hub.sent:
            # Another gateway may have read further than this one, but nobody further than the stream.
            if viewer.seq > hub.seq and viewer.seq > (await stream.position(redis, hub.room_id)).seq:
                return False
            if not await hub.reached(viewer.seq):
                return False
            continue
        missed = hub.missed(viewer.seq)
        if missed is None:
            entries = await stream.after(redis, hub.room_id, viewer.seq, limit=FRAME_EVENTS)
            if not entries or entries[0].seq != viewer.seq + 1 or entries[0].epoch != viewer.epoch:
                return False
            missed = [entry.event for entry in entries]
        elif len(missed) <= FRAME_EVENTS:
            _write(viewer, missed)
            hub.join(viewer)
            return True
        _write(viewer, missed[:FRAME_EVENTS])
        await _drained(viewer)
    return False


async def _drained(viewer: Viewer) -> None:
    """Wait until the viewer has received most of what was written. Raises TooSlow."""
    if not await viewer.drained(SLOW_S) and viewer.open:
        raise TooSlow


def _write(viewer: Viewer, events: list[bytes]) -> None:
    if events:
        viewer.write(wire.text(frames.numbered(viewer.epoch, viewer.seq + 1, events)))
        viewer.seq += len(events)
