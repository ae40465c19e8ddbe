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

SAYS_PER_S = 5
SAYS_AT_ONCE = 5
"""How much one person may say in a room, whatever sockets they have at whatever gateways."""

_CHAT = frames.type_prefix(frames.ChatSaid)

# What every script begins with: KEYS[1] to KEYS[3] are stream, meta and the last messages; ARGV[1] to ARGV[3] are a
# fresh epoch, the stream's length and the keys' life. An epoch is valid for one run of one server: a server that started
# from an older copy, or took over from another, may lack what viewers have seen. Where INFO is not allowed only lost keys
# are noticed.
ROOM = """
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

# What both ways of publishing begin with: append events and count the messages among them.
_WRITE = """
local counts = KEYS[4]
local epoch = begin()
local seq = tonumber(redis.call('HGET', meta, 'seq'))
local function write(first)
  local chats = 0
  for i = first, #ARGV do
    seq = append(epoch, ARGV[i])
    if string.sub(ARGV[i], 1, #ARGV[4]) == ARGV[4] then
      chats = chats + 1
      redis.call('RPUSH', messages, seq .. ':' .. ARGV[i])
    end
  end
  if chats > 0 then
    redis.call('LTRIM', messages, -ARGV[5], -1)
    redis.call('HINCRBY', counts, 'chats', chats)
  end
  for i = 1, 4 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
end
"""

# A repeat is recognised by the number of its event in the log, and writes nothing.
_PUBLISH = """
if ARGV[6] ~= '' then
  local told = redis.call('HGET', meta, ARGV[6])
  if told and tonumber(told) >= tonumber(ARGV[7]) then return {epoch, seq} end
  redis.call('HSET', meta, ARGV[6], ARGV[7])
end
write(8)
return {epoch, seq}
"""

# A repeat is recognised by the speaker's own id of the message (KEYS[5]); it costs nothing and writes nothing. KEYS[6] is
# the moment at which the speaker's budget will be whole again.
_SAY = """
local once, budget = KEYS[5], KEYS[6]
local said = redis.call('GET', once)
local first = said and string.match(said, '^' .. epoch .. ':(%d+)$')
if first then return {epoch, tonumber(first), 0} end
local every, at_once = tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local whole = math.max(now, tonumber(redis.call('GET', budget) or '0'))
local wait = whole - now - (at_once - 1) * every
if wait > 0 then return {epoch, seq, wait} end
redis.call('SET', budget, whole + every, 'PX', whole + every - now)
write(9)
redis.call('SET', once, epoch .. ':' .. seq, 'EX', ARGV[6])
return {epoch, seq, 0}
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


@dataclass(frozen=True, slots=True)
class Position:
    """The end of a room's stream: `seq` is the number of its newest event, 0 when there is none."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Said:
    """Where a message stands, or, when `wait_ms` is above 0, how long its speaker must wait."""

    position: Position
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One event as stored: its number, the epoch it was written in, and its JSON."""

    seq: int
    epoch: str
    event: bytes


_publish = Script(ROOM + _WRITE + _PUBLISH)
_say = Script(ROOM + _WRITE + _SAY)
_position = Script(ROOM + _POSITION)
_messages = Script(ROOM + _MESSAGES)


def stream_key(room_id: UUID) -> str:
    return room_key(room_id, "stream")


def room_key(room_id: UUID, name: str) -> str:
    """A key of the room. All of them share a hash tag."""
    return f"live:{{{wire('rom', room_id)}}}:{name}"


def _words(room_id: UUID, names: Sequence[str], *arguments: bytes | str | int) -> tuple[list[str], list[Any]]:
    keys = [room_key(room_id, name) for name in ("stream", "meta", "messages", *names)]
    return keys, [secrets.token_hex(6), MAX_LENGTH, KEEP_S, *arguments]


async def run(script: Script, redis: Redis, room_id: UUID, names: Sequence[str], *arguments: bytes | str | int) -> Any:
    """A script that begins with `ROOM`. Its KEYS from 4 on are those of the names, its ARGV from 4 on the arguments."""
    keys, words = _words(room_id, names, *arguments)
    return await script.run(redis, keys, *words)


async def publish(
    redis: Redis, room_id: UUID, *events: bytes, log_seq: int | None = None, source: str = "log"
) -> Position:
    """Append encoded events to the room's stream, in one step. Answers where the stream then ends.

    With `log_seq` (relays, which send in log order) all events of one event go in one call, and a call whose number is
    not above the highest this `source` has sent to the room writes nothing. Messages are counted here.
    """
    told = "" if log_seq is None else f"told:{source}"
    return _as_position(await run(_publish, redis, room_id, ["counts"], _CHAT, MESSAGES, told, log_seq or 0, *events))


async def say(redis: Redis, room_id: UUID, message: bytes, *, speaker: str, message_id: str) -> Said:
    """Append what a person says, unless they speak too fast. A repeat under their own id within `SAID_ONCE_S` writes
    nothing and answers the position of the first."""
    answer = await run(
        _say,
        redis,
        room_id,
        ["counts", f"said:{speaker}:{message_id}", f"speech:{speaker}"],
        _CHAT,
        MESSAGES,
        SAID_ONCE_S,
        1000 // SAYS_PER_S,
        SAYS_AT_ONCE,
        message,
    )
    return Said(_as_position(answer), int(answer[2]))


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
    epoch, seq, kept = await run(_messages, redis, room_id, ())
    pairs = [entry.partition(b":") for entry in kept]
    return _as_position((epoch, seq)), [(int(number), event) for number, _, event in pairs]


async def newest(redis: Redis, room_id: UUID, *, until: int | None = None, limit: int) -> list[Entry]:
    """The last `limit` events up to number `until`, oldest first."""
    top = "+" if until is None else f"{until}-0"
    return entries(await redis.xrevrange(stream_key(room_id), max=top, min="-", count=limit))[::-1]
