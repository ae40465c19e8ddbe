"""One-use tickets: who may open a live socket, in Redis for thirty seconds."""

import secrets
import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.redis import Redis, Script

TICKET_TTL_S = 30

# The value is `NONCE:PASS`; the nonce is empty until the ticket is redeemed. Who repeats a redemption because its reply was
# lost has the same nonce.
_redeem = Script("""
local passes = {}
for i, key in ipairs(KEYS) do
  local nonce, pass = string.match(redis.call('GET', key) or '', '^(%x*):(.*)$')
  if nonce == '' then redis.call('SET', key, ARGV[i] .. ':' .. pass, 'KEEPTTL') end
  passes[i] = (nonce == '' or nonce == ARGV[i]) and pass
end
return passes
""")


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a ticket lets in. `name` is masked. `muted_until` is in Unix seconds, 0 when the customer may speak, as it was
    at `created_at`."""

    room_id: UUID
    customer_id: UUID
    name: str
    muted_until: float = 0
    created_at: float = msgspec.field(default_factory=time.time)


_decode = msgspec.json.Decoder(Pass).decode


def _key(ticket: str) -> str:
    return f"live:{{ticket}}:{ticket}"  # one hash tag, so that a script may name several


async def issue(redis: Redis, admitted: Pass) -> str:
    """A fresh ticket for one socket."""
    ticket = secrets.token_urlsafe(24)
    await redis.set(_key(ticket), b":" + msgspec.json.encode(admitted), ex=TICKET_TTL_S)
    return ticket


async def redeem(redis: Redis, tickets: Sequence[str]) -> list[Pass | None]:
    """Whom each ticket lets in, in one step; None where it is unknown, used or expired. All are used afterwards."""
    nonces = [secrets.token_hex(8) for _ in tickets]
    passes = await _redeem.run(redis, [_key(ticket) for ticket in tickets], *nonces)
    return [None if stored is None else _decode(stored) for stored in passes]
