"""Bringing a viewer to where the room is: welcome, resume, resync, gap. Ends with him in the hot set."""

import asyncio
from dataclasses import dataclass

from app.core.redis import Redis
from app.live import frames, stream
from app.live.errors import LiveUnavailable
from app.live.gateway import metrics, wire
from app.live.gateway.hub import FRAME_EVENTS, Hub
from app.live.gateway.snapshots import Shot, Snapshots, gap_frame, welcome_frame
from app.live.gateway.viewers import Viewer

SLOW_S = 10.0
GAP_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Since:
    """Where a returning client says it is."""

    epoch: str
    seq: int


def parse_since(text: str | None) -> Since | None:
    """`room:EPOCH:SEQ[,other:EPOCH:SEQ]`. What cannot be read is None for the room: it then gets a snapshot."""
    for part in (text or "").split(","):
        name, _, rest = part.partition(":")
        epoch, _, seq = rest.partition(":")
        if name == frames.STREAM and 0 < len(epoch) <= 32 and seq.isascii() and seq.isdigit() and len(seq) <= 15:
            return Since(epoch, int(seq))
    return None


class TooSlow(Exception):
    """The viewer did not take what he missed within the time he has."""


async def greet(redis: Redis, snapshots: Snapshots, hub: Hub, viewer: Viewer, since: Since | None) -> None:
    """The first frames of a socket. Raises LiveUnavailable when no snapshot can be had, TooSlow."""
    if since is None:
        shot = await _snapshot(snapshots, hub)
        viewer.write(welcome_frame(shot))
        viewer.epoch, viewer.seq = shot.position.epoch, shot.position.seq
    else:
        position = frames.StreamPosition(epoch=since.epoch, seq=since.seq)
        viewer.write(wire.text(frames.encode(frames.Welcome(streams=(position,), room=frames.NULL))))
        viewer.epoch, viewer.seq = since.epoch, since.seq
    await bring(redis, snapshots, hub, viewer)


async def resync(redis: Redis, snapshots: Snapshots, hub: Hub, viewer: Viewer) -> None:
    """Take back a viewer who was left out and has drained."""
    notice = frames.Resync(stream=frames.STREAM, epoch=viewer.epoch, seq=viewer.seq)
    viewer.write(wire.text(frames.encode(notice)))
    await bring(redis, snapshots, hub, viewer)


async def bring(redis: Redis, snapshots: Snapshots, hub: Hub, viewer: Viewer) -> None:
    """Send exactly what he misses, or a gap with a snapshot when that cannot be told, until he is in the hot set."""
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
        viewer.write(gap_frame(shot))
        viewer.epoch, viewer.seq = shot.position.epoch, shot.position.seq
        gaps += 1
        metrics.GAPS.inc()


async def _snapshot(snapshots: Snapshots, hub: Hub) -> Shot:
    """A snapshot of the room. It may know more than this process has read: then wait for that, so that what it already
    shows is not told a second time."""
    for _ in range(5):
        shot = await snapshots.of(hub)
        if await hub.reached(shot.position.seq):
            return shot
    raise LiveUnavailable


async def _catch_up(redis: Redis, hub: Hub, viewer: Viewer) -> bool:
    """From the ring, from the stream where the ring does not reach; False when the stream does not either."""
    while viewer.open and viewer.epoch == hub.epoch:
        if viewer.seq > hub.sent:
            # Another gateway may have read further than this one; nobody has read further than the stream.
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
    """Wait until he has taken most of what was written. Raises TooSlow."""
    if not await viewer.drained(SLOW_S) and viewer.open:
        raise TooSlow


def _write(viewer: Viewer, events: list[bytes]) -> None:
    if events:
        viewer.write(wire.text(frames.numbered(viewer.epoch, viewer.seq + 1, events)))
        viewer.seq += len(events)
