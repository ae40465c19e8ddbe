"""A room's stream in Redis: its order is the room's order. One Redis Stream per room, entry id `seq-0`.

The keys of a room share a hash tag, so a cluster keeps them on one shard and a script may use them together. The epoch is
drawn when the room's keys are new or the server is another one: after a flushed, restarted or replaced Redis it differs,
and clients learn that history is gone.
Only the gateway (chat, counts) and the relay (orders, tips, pins, room states, mutes) write. Everything here may vanish at
any second; nothing here may be used while a database transaction is open.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.core.ids import wire
from app.core.redis import Redis, Script
from app.live import frames

MAX_LENGTH = 5_000
KEEP_S = 3 * 24 * 3600

MESSAGES = 50
"""How many of the last messages are kept for new viewers."""

SAID_ONCE_S = 120
"""How long a repeated message is recognised by its speaker's own id."""

_CHAT = frames.type_prefix(frames.ChatSaid)

# What every script begins with: KEYS[1] to KEYS[3] are stream, meta and the last messages; ARGV[1] to ARGV[3] are a
# fresh epoch, the stream's length and the keys' life. An epoch is valid for one run of one server: a server that started
# from an older copy, or took over from another, may lack what viewers have seen. Where INFO is not allowed only lost keys
# are noticed.
_ROOM = """
local stream, meta, messages = KEYS[1], KEYS[2], KEYS[3]
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or 'unknown'
local function renew()
  redis.call('DEL', stream, messages)
  redis.call('HSET', meta, 'epoch', ARGV[1], 'run', run, 'seq', 0)
  return ARGV[1]
end
local function begin()
  local known = redis.call('HMGET', meta, 'epoch', 'run')
  return known[2] == run and known[1] or renew()
end
local function append(epoch, event)
  local seq = redis.call('HINCRBY', meta, 'seq', 1)
  redis.call('XADD', stream, 'MAXLEN', '~', ARGV[2], seq .. '-0', 'e', epoch, 'v', event)
  return seq
end
"""

# A repeat is recognised by the number of an event (a relay) or the speaker's id of a message (KEYS[5]), and writes nothing.
_PUBLISH = """
local counts, once = KEYS[4], KEYS[5]
local epoch = begin()
local seq = tonumber(redis.call('HGET', meta, 'seq'))
if once then
  local said = redis.call('GET', once)
  local first = said and string.match(said, '^' .. epoch .. ':(%d+)$')
  if first then return {epoch, tonumber(first)} end
end
if ARGV[4] ~= '' then
  local told = redis.call('HGET', meta, ARGV[4])
  if told and tonumber(told) >= tonumber(ARGV[5]) then return {epoch, seq} end
  redis.call('HSET', meta, ARGV[4], ARGV[5])
end
local chats = 0
for i = 9, #ARGV do
  seq = append(epoch, ARGV[i])
  if string.sub(ARGV[i], 1, #ARGV[6]) == ARGV[6] then
    chats = chats + 1
    redis.call('RPUSH', messages, seq .. ':' .. ARGV[i])
  end
end
if once then redis.call('SET', once, epoch .. ':' .. seq, 'EX', ARGV[7]) end
if chats > 0 then
  redis.call('LTRIM', messages, -ARGV[8], -1)
  redis.call('HINCRBY', counts, 'chats', chats)
end
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return {epoch, seq}
"""

# Where the stream ends. A caller that has read more than there is shows that the server lost history.
_POSITION = """
local epoch = begin()
local seq = tonumber(redis.call('HGET', meta, 'seq'))
if epoch == ARGV[4] and seq < tonumber(ARGV[5]) then epoch, seq = renew(), 0 end
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return {epoch, seq}
"""

# Where the stream ends, and the messages up to there.
_MESSAGES = """
local epoch = begin()
return {epoch, tonumber(redis.call('HGET', meta, 'seq')), redis.call('LRANGE', messages, 0, -1)}
"""

# Who watches: gateways that were silent for ten seconds no longer count.
_WATCHING = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function watching(presence)
  local viewers, silent, all = 0, {}, redis.call('HGETALL', presence)
  for i = 1, #all, 2 do
    local count, at = string.match(all[i + 1], '^(%d+):(%d+)$')
    if now - tonumber(at) > 10000 then silent[#silent + 1] = all[i] else viewers = viewers + tonumber(count) end
  end
  return viewers, silent
end
"""

_COUNTS = """
local viewers = watching(KEYS[2])
local kept = redis.call('HMGET', KEYS[1], 'peak', 'likes', 'chats')
return {viewers, tonumber(kept[1] or '0'), tonumber(kept[2] or '0'), tonumber(kept[3] or '0')}
"""

# One heartbeat of one gateway for one room: who watches, and the likes since the last one. It announces a number that has
# changed when its turn has come, in one script, so that several gateways announce once. A repeat is recognised by the
# heartbeat's number, and its likes are not counted again.
_BEAT = """
local counts, presence = KEYS[4], KEYS[5]
redis.call('HSET', presence, ARGV[4], ARGV[5] .. ':' .. now)
local viewers, silent = watching(presence)
if #silent > 0 then redis.call('HDEL', presence, unpack(silent)) end
local beat = 'beat:' .. ARGV[4]
if tonumber(redis.call('HGET', counts, beat) or '0') < tonumber(ARGV[7]) then
  redis.call('HINCRBY', counts, 'likes', ARGV[6])
  redis.call('HSET', counts, beat, ARGV[7])
end
local told = redis.call('HMGET', counts, 'peak', 'likes_told', 'likes_at', 'viewers_told', 'viewers_at', 'likes')
local likes = tonumber(told[6] or '0')
if viewers > tonumber(told[1] or '0') then redis.call('HSET', counts, 'peak', viewers) end
local function tell(kind, count)
  append(begin(), string.format('{"type":"%s","count":%d}', kind, count))
end
if likes ~= tonumber(told[2] or '0') and now - tonumber(told[3] or '0') >= 1000 then
  tell('likes.counted', likes)
  redis.call('HSET', counts, 'likes_told', likes, 'likes_at', now)
end
if viewers ~= tonumber(told[4] or '0') and now - tonumber(told[5] or '0') >= 2000 then
  tell('viewers.counted', viewers)
  redis.call('HSET', counts, 'viewers_told', viewers, 'viewers_at', now)
end
for i = 1, 5 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
return viewers
"""


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a room's stream: `seq` is the number of its newest event, 0 when there is none."""

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


_publish = Script(_ROOM + _PUBLISH)
_position = Script(_ROOM + _POSITION)
_messages = Script(_ROOM + _MESSAGES)
_beat = Script(_ROOM + _WATCHING + _BEAT)
_counts = Script(_WATCHING + _COUNTS)


def stream_key(room_id: UUID) -> str:
    return _key(room_id, "stream")


def _key(room_id: UUID, name: str) -> str:
    return f"live:{{{wire('rom', room_id)}}}:{name}"


def _words(room_id: UUID, names: Sequence[str], *arguments: bytes | str | int) -> tuple[list[str], list[Any]]:
    keys = [_key(room_id, name) for name in ("stream", "meta", "messages", *names)]
    return keys, [secrets.token_hex(6), MAX_LENGTH, KEEP_S, *arguments]


async def _run(script: Script, redis: Redis, room_id: UUID, names: Sequence[str], *arguments: bytes | str | int) -> Any:
    keys, words = _words(room_id, names, *arguments)
    return await script.run(redis, keys, *words)


async def publish(
    redis: Redis,
    room_id: UUID,
    *events: bytes,
    log_seq: int | None = None,
    source: str = "log",
    once: str | None = None,
) -> Position:
    """Append encoded events to the room's stream, in one step. Answers where the stream then ends.

    With `log_seq` (relays, which send in log order) all events of one event go in one call, and a call whose number is
    not above the highest this `source` has sent to the room writes nothing. With `once` (the name of a message) a
    repeat within `SAID_ONCE_S` writes nothing and answers the position of the first. Messages are counted here.
    """
    answer = await _run(
        _publish,
        redis,
        room_id,
        ["counts"] if once is None else ["counts", f"said:{once}"],
        "" if log_seq is None else f"told:{source}",
        log_seq or 0,
        _CHAT,
        SAID_ONCE_S,
        MESSAGES,
        *events,
    )
    return _as_position(answer)


def _as_position(answer: Any) -> Position:
    return Position(answer[0].decode(), int(answer[1]))


async def position(redis: Redis, room_id: UUID) -> Position:
    """Where the stream ends now. A room without a stream gets its epoch here, so that it can be resumed from 0."""
    return (await positions(redis, {room_id: Position("", 0)}))[room_id]


async def positions(redis: Redis, known: Mapping[UUID, Position]) -> dict[UUID, Position]:
    """Where streams end now, in one round trip for all.

    `known` is what a gateway has read of each: when the same epoch ends before it, history was lost and a new epoch begins.
    """
    calls = [_words(room_id, (), read.epoch, read.seq) for room_id, read in known.items()]
    answers = await _position.run_all(redis, [[*keys, *words] for keys, words in calls], keys=3)
    return dict(zip(known, map(_as_position, answers), strict=True))


def entries(raw: Any) -> list[Entry]:
    """Redis's reply to XRANGE or XREAD for one stream."""
    return [Entry(int(key.partition(b"-")[0]), fields[b"e"].decode(), fields[b"v"]) for key, fields in raw]


async def after(redis: Redis, room_id: UUID, seq: int, *, limit: int) -> list[Entry]:
    """Up to `limit` events that follow `seq`, oldest first. The first one's number tells whether any was trimmed."""
    return entries(await redis.xrange(stream_key(room_id), min=f"{seq + 1}-0", max="+", count=limit))


async def read(
    redis: Redis, positions: Mapping[bytes, int], *, limit: int, wait_ms: int | None = None
) -> list[tuple[bytes, list[Entry]]]:
    """What follows each stream's number, in one round trip for all of them; `limit` events each. With `wait_ms` it waits
    so long for the first event of any."""
    requested: dict[Any, Any] = {key: f"{seq}-0" for key, seq in positions.items()}
    answer: Any = await redis.xread(requested, count=limit, block=wait_ms)
    pairs = answer.items() if isinstance(answer, dict) else answer
    return [(key, entries(raw)) for key, raw in pairs]


async def messages(redis: Redis, room_id: UUID) -> tuple[Position, list[tuple[int, bytes]]]:
    """Where the stream ends, and the last messages up to there with their numbers, oldest first."""
    epoch, seq, kept = await _run(_messages, redis, room_id, ())
    pairs = [entry.partition(b":") for entry in kept]
    return _as_position((epoch, seq)), [(int(number), event) for number, _, event in pairs]


async def newest(redis: Redis, room_id: UUID, *, until: int | None = None, limit: int) -> list[Entry]:
    """The last `limit` events up to number `until`, oldest first."""
    top = "+" if until is None else f"{until}-0"
    return entries(await redis.xrevrange(stream_key(room_id), max=top, min="-", count=limit))[::-1]


async def beat(redis: Redis, room_id: UUID, gateway: str, *, number: int, viewers: int, likes: int) -> int:
    """One gateway's heartbeat for a room, with the likes since its last one. Answers the viewers over all gateways.

    Numbers rise from one heartbeat to the next; likes under a number that this gateway has already sent for the room are
    not counted again. A gateway that is silent for ten seconds no longer counts. Announces changed numbers to the room,
    likes at most once a second and viewers at most every two.
    """
    names = ("counts", "presence")
    return int(await _run(_beat, redis, room_id, names, gateway, viewers, likes, number))


async def counts(redis: Redis, room_id: UUID) -> Counts:
    """The room's numbers as the gateways have them; zeros when nothing was counted."""
    return (await counts_of(redis, [room_id]))[room_id]


async def counts_of(redis: Redis, room_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """The same of several rooms, in one round trip."""
    calls = [[_key(room_id, "counts"), _key(room_id, "presence")] for room_id in room_ids]
    answers = await _counts.run_all(redis, calls, keys=2) if calls else []
    return {room_id: Counts(*answer) for room_id, answer in zip(room_ids, answers, strict=True)}
