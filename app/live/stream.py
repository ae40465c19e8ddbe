"""A room's stream in Redis: its order is the room's order. One Redis Stream per room, entry id `seq-0`.

The keys of a room share a hash tag, so a cluster keeps them on one shard and a script may touch them together. The
epoch is drawn when the room's keys are new: after a flushed Redis it differs, and clients learn that history is gone.
Only the gateway (chat, counts) and the relay (orders, tips, pins, room states, mutes) write. Everything here may vanish
at any second; nothing here may be used while a database transaction is open.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from redis.exceptions import NoScriptError

from app.core.ids import wire
from app.core.redis import Redis

MAX_LENGTH = 5_000
KEEP_S = 3 * 24 * 3600

_PUBLISH = """
local stream, meta = KEYS[1], KEYS[2]
local epoch = redis.call('HGET', meta, 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('DEL', stream)
  redis.call('HSET', meta, 'epoch', epoch, 'seq', 0)
end
local seq = tonumber(redis.call('HGET', meta, 'seq'))
if ARGV[4] ~= '' then
  local told = redis.call('HGET', meta, ARGV[4])
  if told and tonumber(told) >= tonumber(ARGV[5]) then return {epoch, seq, 0} end
  redis.call('HSET', meta, ARGV[4], ARGV[5])
end
for i = 6, #ARGV do
  seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('XADD', stream, 'MAXLEN', '~', ARGV[2], seq .. '-0', 'e', epoch, 'v', ARGV[i])
end
redis.call('EXPIRE', meta, ARGV[3])
redis.call('EXPIRE', stream, ARGV[3])
return {epoch, seq, #ARGV - 5}
"""

# One beat of one gateway for one room: who watches, what was liked and said since the last one; tells the room when a
# number changed and its turn has come. In one script, so that several gateways announce once.
_BEAT = """
local stream, meta, counts, presence = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', presence, ARGV[4], ARGV[5] .. ':' .. now)
local viewers, all = 0, redis.call('HGETALL', presence)
for i = 1, #all, 2 do
  local count, at = string.match(all[i + 1], '^(%d+):(%d+)$')
  if now - tonumber(at) > 10000 then redis.call('HDEL', presence, all[i]) else viewers = viewers + tonumber(count) end
end
local likes = redis.call('HINCRBY', counts, 'likes', ARGV[6])
redis.call('HINCRBY', counts, 'chats', ARGV[7])
local told = redis.call('HMGET', counts, 'peak', 'likes_told', 'likes_at', 'viewers_told', 'viewers_at')
if viewers > tonumber(told[1] or '0') then redis.call('HSET', counts, 'peak', viewers) end
redis.call('HSET', counts, 'viewers', viewers)
local epoch = redis.call('HGET', meta, 'epoch')
local function tell(kind, count)
  if not epoch then
    epoch = ARGV[1]
    redis.call('DEL', stream)
    redis.call('HSET', meta, 'epoch', epoch, 'seq', 0)
  end
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  local event = string.format('{"type":"%s","count":%d}', kind, count)
  redis.call('XADD', stream, 'MAXLEN', '~', ARGV[2], seq .. '-0', 'e', epoch, 'v', event)
end
if likes ~= tonumber(told[2] or '0') and now - tonumber(told[3] or '0') >= 1000 then
  tell('likes.counted', likes)
  redis.call('HSET', counts, 'likes_told', likes, 'likes_at', now)
end
if viewers ~= tonumber(told[4] or '0') and now - tonumber(told[5] or '0') >= 2000 then
  tell('viewers.counted', viewers)
  redis.call('HSET', counts, 'viewers_told', viewers, 'viewers_at', now)
end
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return viewers
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a room's stream: `seq` is the number of its newest event, 0 when there is none yet."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as stored: its number, the epoch it was written in, and its JSON."""

    seq: int
    epoch: str
    event: bytes


@dataclass(frozen=True, slots=True)
class Counts:
    """What the gateways have counted: sockets now and at most, likes and messages in all."""

    viewers: int
    peak_viewers: int
    likes: int
    chats: int


class _Script:
    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: Sequence[str], *arguments: bytes | str | int) -> Any:
        """By its hash; by its text when this Redis does not know it (a new or flushed one)."""
        words: list[Any] = [*keys, *arguments]
        try:
            return await redis.evalsha(self._sha, len(keys), *words)
        except NoScriptError:
            return await redis.eval(self._text, len(keys), *words)


_publish = _Script(_PUBLISH)
_beat = _Script(_BEAT)


def stream_key(room_id: UUID) -> str:
    return f"live:{{{wire('rom', room_id)}}}:stream"


def _key(room_id: UUID, name: str) -> str:
    return f"live:{{{wire('rom', room_id)}}}:{name}"


def _fresh_epoch() -> str:
    return secrets.token_hex(6)


async def publish(
    redis: Redis, room_id: UUID, *events: bytes, log_seq: int | None = None, source: str = "log"
) -> Position:
    """Append encoded events to the room's stream, in one step; where the stream then ends.

    With `log_seq` (relays, which send in log order) all events of one fact go in one call, and a call whose number is
    not above the highest this `source` has sent to the room writes nothing.
    """
    answer = await _publish.run(
        redis,
        [stream_key(room_id), _key(room_id, "meta")],
        _fresh_epoch(),
        MAX_LENGTH,
        KEEP_S,
        "" if log_seq is None else f"told:{source}",
        log_seq or 0,
        *events,
    )
    return Position(answer[0].decode(), int(answer[1]))


async def position(redis: Redis, room_id: UUID) -> Position:
    """Where the stream ends now; a room without one gets its epoch here, so that it can be resumed from 0."""
    return await publish(redis, room_id)


def entries(raw: Any) -> list[Entry]:
    """Redis's reply to XRANGE or XREAD for one stream."""
    return [Entry(int(key.partition(b"-")[0]), fields[b"e"].decode(), fields[b"v"]) for key, fields in raw]


async def after(redis: Redis, room_id: UUID, seq: int, *, limit: int) -> list[Entry]:
    """Up to `limit` events that follow `seq`, oldest first. The first one's number tells whether any was trimmed."""
    return entries(await redis.xrange(stream_key(room_id), min=f"{seq + 1}-0", max="+", count=limit))


async def read(redis: Redis, positions: Mapping[bytes, int], *, limit: int) -> list[tuple[bytes, list[Entry]]]:
    """What follows each stream's number, in one round trip for all of them; `limit` events each."""
    wanted: dict[Any, Any] = {key: f"{seq}-0" for key, seq in positions.items()}
    answer: Any = await redis.xread(wanted, count=limit)
    pairs = answer.items() if isinstance(answer, dict) else answer
    return [(key, entries(raw)) for key, raw in pairs]


async def newest(redis: Redis, room_id: UUID, *, until: int | None = None, limit: int) -> list[Entry]:
    """The last `limit` events up to number `until`, oldest first."""
    top = "+" if until is None else f"{until}-0"
    return entries(await redis.xrevrange(stream_key(room_id), max=top, min="-", count=limit))[::-1]


async def beat(redis: Redis, room_id: UUID, gateway: str, *, viewers: int, likes: int, chats: int) -> int:
    """One gateway's heartbeat for a room, with what came since its last one; viewers over all gateways.

    A gateway that is silent for ten seconds counts no more. Announces changed numbers to the room, likes at most once
    a second and viewers at most every two.
    """
    keys = [stream_key(room_id), *(_key(room_id, name) for name in ("meta", "counts", "presence"))]
    total = await _beat.run(redis, keys, _fresh_epoch(), MAX_LENGTH, KEEP_S, gateway, viewers, likes, chats)
    return int(total)


async def counts(redis: Redis, room_id: UUID) -> Counts:
    """The room's numbers as the gateways have them; zeros when nobody counted yet."""
    names = ("viewers", "peak", "likes", "chats")
    values = await redis.hmget(_key(room_id, "counts"), list(names))
    viewers, peak, likes, chats = (int(value or 0) for value in values)
    return Counts(viewers, peak, likes, chats)
