"""One-use tickets: who may open a live socket, in Redis for thirty seconds."""

import secrets
import time
from uuid import UUID

import msgspec

from app.core.redis import Redis, Script

TICKET_TTL_S = 30

# `NONCE:PASS`, the nonce empty until somebody redeems it: who asks again because the reply was lost gets it again.
_redeem = Script("""
local nonce, pass = string.match(redis.call('GET', KEYS[1]) or '', '^(%x*):(.*)$')
if nonce == '' then
  redis.call('SET', KEYS[1], ARGV[1] .. ':' .. pass, 'KEEPTTL')
elseif nonce ~= ARGV[1] then
  return false
end
return pass
""")


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a ticket lets in. `name` is masked; `muted_until` is Unix seconds, 0 when the customer may speak, and
    `made_at` says when that was so."""

    room_id: UUID
    customer_id: UUID
    name: str
    muted_until: float = 0
    made_at: float = msgspec.field(default_factory=time.time)


def _key(ticket: str) -> str:
    return f"live:ticket:{ticket}"


async def issue(redis: Redis, admitted: Pass) -> str:
    """A fresh ticket for one socket."""
    ticket = secrets.token_urlsafe(24)
    await redis.set(_key(ticket), b":" + msgspec.json.encode(admitted), ex=TICKET_TTL_S)
    return ticket


async def redeem(redis: Redis, ticket: str) -> Pass | None:
    """Whom the ticket lets in; None when it is unknown, spent or too old. The ticket is spent afterwards."""
    if not 0 < len(ticket) <= 64:
        return None
    stored = await _redeem.run(redis, [_key(ticket)], secrets.token_hex(8))
    return None if stored is None else msgspec.json.decode(stored, type=Pass)
