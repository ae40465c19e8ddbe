"""Who watches a room, and what they have sent: counted and limited per person over all gateways, in Redis.

A gateway tells each of its rooms once a second which sockets came and went and how often whom tapped. A person counts once,
however many sockets they have at however many gateways; their newest `SOCKETS_PER_PERSON` stay. Everything here may vanish
at any second, and a gateway then tells all of its sockets anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.core.redis import Redis, Script
from app.live import frames
from app.live.stream import ROOM, room_key, run

SOCKETS_PER_PERSON = 3
TAPS_PER_S = frames.LIKES_AT_ONCE
TAPS_AT_ONCE = 5 * frames.LIKES_AT_ONCE
"""What one person may add to a room's likes: so many a second, and so many after a pause."""

_SILENT_MS = 10_000

# A member of `sockets` and `replaced` is `GATEWAY:NUMBER:PERSON`, and all scores are equal, so those of one gateway are a
# range. A field of `people` holds a person's sockets as `GATEWAY:NUMBER`, the newest last. Gateways that were silent for
# ten seconds no longer count.
_WATCHING = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function watching(gateways, sockets, people, replaced)
  local function keep(person, tokens)
    if #tokens == 0 then redis.call('HDEL', people, person)
    else redis.call('HSET', people, person, table.concat(tokens, ' ')) end
  end
  local function tokens_of(person)
    local tokens = {{}}
    for token in string.gmatch(redis.call('HGET', people, person) or '', '%S+') do tokens[#tokens + 1] = token end
    return tokens
  end
  local room = {{}}
  function room.of(key, gateway)
    return redis.call('ZRANGEBYLEX', key, '[' .. gateway .. ':', '(' .. gateway .. ';')
  end
  function room.leave(member)
    redis.call('ZREM', replaced, member)
    if redis.call('ZREM', sockets, member) == 0 then return end
    local own, person = string.match(member, '^([^:]+:%d+):(.+)$')
    local kept = {{}}
    for _, token in ipairs(tokens_of(person)) do if token ~= own then kept[#kept + 1] = token end end
    keep(person, kept)
  end
  function room.come(member)
    if redis.call('ZSCORE', replaced, member) or redis.call('ZADD', sockets, 0, member) == 0 then return end
    local own, person = string.match(member, '^([^:]+:%d+):(.+)$')
    local tokens = tokens_of(person)
    tokens[#tokens + 1] = own
    while #tokens > {SOCKETS_PER_PERSON} do
      local oldest = table.remove(tokens, 1) .. ':' .. person
      redis.call('ZREM', sockets, oldest)
      redis.call('ZADD', replaced, 0, oldest)
    end
    keep(person, tokens)
  end
  function room.forget(gateway)
    for _, key in ipairs({{sockets, replaced}}) do
      for _, member in ipairs(room.of(key, gateway)) do room.leave(member) end
    end
  end
  function room.people()
    local all = redis.call('HGETALL', gateways)
    for i = 1, #all, 2 do
      if now - tonumber(all[i + 1]) > {_SILENT_MS} then
        room.forget(all[i])
        redis.call('HDEL', gateways, all[i])
      end
    end
    return redis.call('HLEN', people)
  end
  return room
end
"""

_COUNTS = """
local viewers = watching(KEYS[2], KEYS[3], KEYS[4], KEYS[5]).people()
local kept = redis.call('HMGET', KEYS[1], 'peak', 'likes', 'chats')
return {viewers, tonumber(kept[1] or '0'), tonumber(kept[2] or '0'), tonumber(kept[3] or '0')}
"""

# One heartbeat of one gateway for one room. It announces a number that has changed when its turn has come, in one
# script, so that several gateways announce once. A repeat is recognised by the heartbeat's number, and its taps are not
# counted again. KEYS from 9 on are the budgets of those who tapped. What arrives late was gathered for longer, so it
# may be that much more.
_BEAT = f"""
local counts, gateways, sockets, replaced = KEYS[4], KEYS[5], KEYS[6], KEYS[8]
local gateway, number, whole, age_ms = ARGV[4], ARGV[5], ARGV[6] == '1', tonumber(ARGV[7])
local came, went = tonumber(ARGV[8]), tonumber(ARGV[9])
local room = watching(gateways, sockets, KEYS[7], replaced)
redis.call('HSET', gateways, gateway, now)
if whole then room.forget(gateway) end
for i = 10 + came, 9 + came + went do room.leave(ARGV[i]) end
for i = 10, 9 + came do room.come(ARGV[i]) end
local viewers = room.people()
local function granted(budget, taps)
  local full = math.max(now, tonumber(redis.call('GET', budget) or '0'))
  local left = math.floor((now + {TAPS_AT_ONCE * 1000 // TAPS_PER_S} + age_ms - full) / {1000 // TAPS_PER_S})
  local some = math.max(0, math.min(taps, left))
  full = full + some * {1000 // TAPS_PER_S}
  if some > 0 then redis.call('SET', budget, full, 'PX', full - now) end
  return some
end
local beat, over = 'beat:' .. gateway, {{}}
if tonumber(redis.call('HGET', counts, beat) or '0') < tonumber(number) then
  local likes = 0
  for i = 9, #KEYS do
    local taps = tonumber(ARGV[1 + came + went + i])
    local some = granted(KEYS[i], taps)
    likes = likes + some
    if some < taps then over[#over + 1] = i - 9 end
  end
  redis.call('HINCRBY', counts, 'likes', likes)
  redis.call('HSET', counts, beat, number)
end
local told = redis.call('HMGET', counts, 'peak', 'likes_told', 'likes_at', 'viewers_told', 'viewers_at', 'likes')
local likes = tonumber(told[6] or '0')
if viewers > tonumber(told[1] or '0') then redis.call('HSET', counts, 'peak', viewers) end
local function tell(kind, count)
  append(begin(), string.format('{{"type":"%s","count":%d}}', kind, count))
end
if likes ~= tonumber(told[2] or '0') and now - tonumber(told[3] or '0') >= 1000 then
  tell('likes.counted', likes)
  redis.call('HSET', counts, 'likes_told', likes, 'likes_at', now)
end
if viewers ~= tonumber(told[4] or '0') and now - tonumber(told[5] or '0') >= 2000 then
  tell('viewers.counted', viewers)
  redis.call('HSET', counts, 'viewers_told', viewers, 'viewers_at', now)
end
for i = 1, 8 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end
local mine = room.of(replaced, gateway)
local known = redis.call('ZLEXCOUNT', sockets, '[' .. gateway .. ':', '(' .. gateway .. ';') + #mine
return {{viewers, known, mine, over}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a gateway tells of a room since its last heartbeat there. Numbers rise; a repeat under one number counts once.

    `came` and `went` are sockets as `socket_name` has them. With `whole`, `came` is all that the gateway has. `taps` are by
    person and were gathered for `age_ms`.
    """

    number: int
    came: Sequence[str] = ()
    went: Sequence[str] = ()
    whole: bool = False
    taps: Mapping[str, int] = field(default_factory=dict)
    age_ms: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What Redis makes of a heartbeat: the people in the room, how many of the gateway's sockets it knows, those of them
    that newer ones replace, and whose taps were more than they may make."""

    viewers: int
    known: int
    replaced: tuple[str, ...]
    over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What the gateways have counted: people now and at most, likes and messages in all."""

    viewers: int
    peak_viewers: int
    likes: int
    chats: int


_beat = Script(ROOM + _WATCHING + _BEAT)
_counts = Script(_WATCHING + _COUNTS)

_NAMES = ("counts", "gateways", "sockets", "people", "replaced")


def socket_name(gateway: str, number: int, person: str) -> str:
    """How a gateway calls one of its sockets here; numbers rise with their age."""
    return f"{gateway}:{number}:{person}"


async def tell(redis: Redis, room_id: UUID, gateway: str, beat: Beat) -> Answer:
    """One gateway's heartbeat for a room. It announces changed numbers to the room, likes at most once a second and viewers
    at most every two. A gateway that is silent for ten seconds no longer counts."""
    viewers, known, replaced, over = await run(
        _beat,
        redis,
        room_id,
        (*_NAMES, *(f"hearts:{person}" for person in beat.taps)),
        gateway,
        beat.number,
        int(beat.whole),
        beat.age_ms,
        len(beat.came),
        len(beat.went),
        *beat.came,
        *beat.went,
        *beat.taps.values(),
    )
    tappers = list(beat.taps)
    return Answer(
        int(viewers), int(known), tuple(name.decode() for name in replaced), tuple(tappers[index] for index in over)
    )


async def counts(redis: Redis, room_id: UUID) -> Counts:
    """The room's numbers as the gateways have them; zeros when nothing was counted."""
    return (await counts_of(redis, [room_id]))[room_id]


async def counts_of(redis: Redis, room_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    """The same of several rooms, in one round trip."""
    calls = [[room_key(room_id, name) for name in _NAMES] for room_id in room_ids]
    answers = await _counts.run_all(redis, calls, keys=len(_NAMES)) if calls else []
    return {room_id: Counts(*answer) for room_id, answer in zip(room_ids, answers, strict=True)}
