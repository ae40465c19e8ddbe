"""All that the simulator remembers, in one object and in memory only: a restart forgets everything but the keys.

Memory is bounded: of charges, refunds, buyers and codes the last MAX_KEPT are kept, of calls the last MAX_CALLS; older
ones are forgotten as if they had never been.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

import aiohttp

from app.simulator.clock import MovableClock, Schedule
from app.simulator.keys import SimulatorKeys
from app.wechat import RefundState, TradeState

MAX_KEPT = 100_000
MAX_CALLS = 1_000
MAX_DELIVERIES_AT_ONCE = 64

_V = TypeVar("_V")

Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
"""Posts a body with headers to an address and returns the status. Raises OSError when there is no answer."""

CodeKind = Literal["login", "phone"]
FaultKind = Literal["timeout", "error_500", "drop_after", "not_enough", "too_fast", "no_auth", "invalid_request"]


@dataclass(slots=True)
class Buyer:
    openid: str
    unionid: str | None
    phone: str


@dataclass(slots=True)
class Code:
    """A code handed to the mini-program; it works once, until `expires_s` on the moved clock."""

    kind: CodeKind
    openid: str
    expires_s: float
    spent: bool = False


@dataclass(slots=True)
class Charge:
    """`order` is the prepay request as it came; `paid_at` is real time.

    `expires_s` and `paid_on_clock_s` stand on the moved clock. `stale_queries` is how many still show it unpaid.
    """

    out_trade_no: str
    order: dict[str, Any]
    expires_s: float
    prepay_id: str
    state: TradeState = TradeState.NOTPAY
    transaction_id: str | None = None
    paid_fen: int | None = None
    paid_at: datetime | None = None
    paid_on_clock_s: float | None = None
    stale_queries: int = 0
    refunds: list["Refund"] = field(default_factory=list)


@dataclass(slots=True)
class Refund:
    """`order` is the refund request as it came; times are real."""

    out_refund_no: str
    refund_id: str
    charge: Charge
    order: dict[str, Any]
    refund_fen: int
    created_at: datetime
    state: RefundState = RefundState.PROCESSING
    succeeded_at: datetime | None = None


@dataclass(slots=True)
class Fault:
    path_prefix: str
    kind: FaultKind
    times: int


@dataclass(slots=True)
class Call:
    """One message on the wire. `status` is None when there was no reply; "in" comes to the simulator."""

    at: datetime
    direction: Literal["in", "out"]
    method: str
    path: str
    status: int | None
    out_trade_no: str | None = None
    attempt: int | None = None
    forged: bool = False


@dataclass(slots=True)
class Token:
    value: str
    expires_s: float


class Simulator:
    """The whole state. Rules are functions over it in the modules beside; nothing else holds state."""

    def __init__(self, keys: SimulatorKeys, *, post: Post | None) -> None:
        self.keys = keys
        self.clock = MovableClock()
        self.schedule = Schedule(self.clock)
        self.charges: OrderedDict[str, Charge] = OrderedDict()
        self.transactions: OrderedDict[str, str] = OrderedDict()
        self.refunds: OrderedDict[str, Refund] = OrderedDict()
        self.buyers: OrderedDict[str, Buyer] = OrderedDict()
        self.codes: OrderedDict[str, Code] = OrderedDict()
        self.tokens: list[Token] = []
        self.faults: list[Fault] = []
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self.holds_refunds = False
        self.deliveries_at_once = asyncio.Semaphore(MAX_DELIVERIES_AT_ONCE)
        self.post = post or self._post_by_socket
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        await self.schedule.close()
        if self._session is not None:
            await self._session.close()

    async def _post_by_socket(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        session = self._session = self._session or aiohttp.ClientSession()
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return response.status
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error


def keep(kept: "OrderedDict[str, _V]", key: str, value: _V) -> None:
    """Adds a value and forgets the oldest beyond MAX_KEPT."""
    kept[key] = value
    if len(kept) > MAX_KEPT:
        kept.popitem(last=False)
