"""What viewers send: checked, limited, and written to the room's stream."""

import time

import msgspec
import structlog
from redis.exceptions import RedisError

from app.core.clock import rfc3339, utc_now
from app.core.redis import Redis
from app.core.texts import is_plain
from app.live import frames, stream
from app.live.frames import ErrorCode
from app.live.gateway import metrics
from app.live.gateway.hub import Hub
from app.live.gateway.viewers import Viewer

log = structlog.get_logger(__name__)


class TooManyFrames(Exception):
    """The viewer sends more than any client of ours would."""


class _Ref(msgspec.Struct):
    id: str | None = None


async def hear(redis: Redis, hub: Hub, viewer: Viewer, message: str | bytes) -> None:
    """Act on one client frame; a refusal goes back to this viewer alone. Raises TooManyFrames."""
    if viewer.frames.take():
        raise TooManyFrames
    try:
        if isinstance(message, bytes):
            raise msgspec.DecodeError("binary")
        frame = frames.decode_client(message)
    except (msgspec.DecodeError, UnicodeError):
        viewer.refuse(ErrorCode.VALIDATION_FAILED, _ref(message))
        return
    if isinstance(frame, frames.Ping):
        viewer.tell(frames.Pong())
    elif isinstance(frame, frames.Like):
        _like(hub, viewer, frame)
    else:
        await _say(redis, hub, viewer, frame)


def _like(hub: Hub, viewer: Viewer, frame: frames.Like) -> None:
    if hub.ended:
        return
    wait_s = viewer.person.hearts.take(frame.count)
    if wait_s:
        viewer.refuse(ErrorCode.RATE_LIMITED, None, retry_after_ms=int(wait_s * 1000) + 1)
        return
    hub.pulse.tapped(viewer.customer, frame.count)
    metrics.HEARD.labels("liked").inc()


async def _say(redis: Redis, hub: Hub, viewer: Viewer, frame: frames.Say) -> None:
    text = frame.text.strip()
    if not text or not frame.id.isprintable() or not is_plain(text):
        viewer.refuse(ErrorCode.VALIDATION_FAILED, frame.id)
        return
    if not await hub.informed():
        viewer.refuse(ErrorCode.LIVE_UNAVAILABLE, frame.id)
        return
    if hub.ended:
        viewer.refuse(ErrorCode.LIVE_ROOM_ENDED, frame.id)
        return
    if hub.muted_until(viewer) > time.time():
        viewer.refuse(ErrorCode.MUTED, frame.id)
        return
    wait_s = viewer.person.said.take()
    if wait_s:
        viewer.refuse(ErrorCode.RATE_LIMITED, frame.id, retry_after_ms=int(wait_s * 1000) + 1)
        return
    message = frames.ChatSaid(
        id=frame.id, customer=viewer.customer, name=viewer.admitted.name, text=text, at=rfc3339(utc_now())
    )
    try:
        said = await stream.say(
            redis, hub.room_id, frames.encode(message), speaker=viewer.customer, message_id=frame.id
        )
    except (RedisError, OSError) as error:
        log.warning("chat_lost", error=repr(error))
        viewer.refuse(ErrorCode.LIVE_UNAVAILABLE, frame.id)
        return
    if said.wait_ms:
        viewer.refuse(ErrorCode.RATE_LIMITED, frame.id, retry_after_ms=said.wait_ms)
        return
    metrics.HEARD.labels("said").inc()


def _ref(message: str | bytes) -> str | None:
    """The client's id of a frame that is refused, if it can be read."""
    try:
        found = msgspec.json.decode(message, type=_Ref).id
    except (msgspec.DecodeError, UnicodeError):
        return None
    return None if found is None else found[: frames.CLIENT_ID_LIMIT]
