"""The simulator's own controls: what a buyer, a bank or the passing of time would do. Plain JSON, no signature."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from app.simulator import buyers, charges, outbox, refunds
from app.simulator.state import MAX_CALLS, Charge, Fault, FaultKind, Simulator
from app.wechat import RefundState, TradeState

MAX_ADVANCE_S = 400 * 24 * 3600

router = APIRouter(prefix="/simulator")


def _simulator(http: Request) -> Simulator:
    simulator = http.app.state.simulator
    assert isinstance(simulator, Simulator)
    return simulator


_Simulator = Annotated[Simulator, Depends(_simulator)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BuyerRequest(_Body):
    openid: str | None = Field(None, min_length=6, max_length=64, description="a known or a new one; made when absent")
    unionid: str | None = Field(None, max_length=64, description="as if the app were bound to an open-platform account")
    phone: str | None = Field(None, max_length=20, description="made when absent")


class BuyerGiven(BaseModel):
    openid: str
    unionid: str | None
    phone: str
    code: str = Field(description="what `wx.login` would give: works once, within 5 minutes")
    phone_code: str = Field(description="what the `getPhoneNumber` button would give: works once, within 5 minutes")


class PaymentRequest(_Body):
    delay_s: float = Field(0, ge=0, le=86_400, description="the notification is sent this much later; paid is paid now")
    repeat: int = Field(1, ge=1, le=1_000, description="send the same notification this many times at once")
    forge: int = Field(
        0, ge=0, le=100, description="send this many forgeries first: wrong signature, strange key, strange serial"
    )
    amount_fen: int | None = Field(None, ge=1, description="pay another amount than the charge's")
    notify: bool = Field(True, description="false: the notification is lost, only a query finds the payment")
    stale_queries: int = Field(
        0, ge=0, le=1_000, description="so many queries still show it unpaid, while closing is refused as paid"
    )


class OutcomeRequest(_Body):
    state: Literal[RefundState.SUCCESS, RefundState.ABNORMAL, RefundState.CLOSED]


class HoldRequest(_Body):
    hold: bool


class ClockRequest(_Body):
    advance_s: float = Field(ge=0, le=MAX_ADVANCE_S, description="seconds forward; 0 waits for what is under way")


class ClockShown(BaseModel):
    now: datetime = Field(description="the moved clock; wire timestamps stay at real time")


class PlannedFault(_Body):
    path_prefix: str = Field(min_length=1, description="e.g. `/v3/refund/` or `/sns/`")
    kind: FaultKind = Field(
        description="`timeout` no effect and no reply; `error_500` no effect; `drop_after` the effect without the reply; "
        "`not_enough` 403 NOT_ENOUGH; `too_fast` 429; `no_auth` 403 NO_AUTH; `invalid_request` 400 INVALID_REQUEST"
    )
    times: int = Field(1, ge=1, le=1_000_000)


class Faults(BaseModel):
    items: list[PlannedFault]


class CallShown(BaseModel):
    at: datetime
    direction: Literal["in", "out"] = Field(description="in: to WeChat; out: a notification")
    method: str
    path: str
    status: int | None = Field(description="null: no reply")
    out_trade_no: str | None
    attempt: int | None = Field(description="of a notification, from 1")
    forged: bool


class Calls(BaseModel):
    items: list[CallShown]


class HoldShown(BaseModel):
    hold: bool


class Reason(BaseModel):
    code: Literal["charge_unknown", "charge_paid", "charge_closed", "refund_unknown", "refund_final"]
    state: RefundState | None = Field(None, description="of a final refund")


class Refused(BaseModel):
    detail: Reason


def _refusals(unknown: str, final: str) -> dict[int | str, dict[str, Any]]:
    return {404: {"model": Refused, "description": unknown}, 409: {"model": Refused, "description": final}}


_OF_CHARGES = _refusals("`charge_unknown`", "`charge_paid` · `charge_closed`")
_OF_REFUNDS = _refusals("`refund_unknown`", "`refund_final`")


def _refused(status: int, **reason: Any) -> HTTPException:
    return HTTPException(status, Reason(**reason).model_dump(exclude_none=True))


@router.post("/buyers", tags=["buyers"], summary="Make a buyer")
async def make_buyer(simulator: _Simulator, request: BuyerRequest | None = None) -> BuyerGiven:
    """A buyer with fresh codes. Call it again with the same openid for the next login."""
    request = request or BuyerRequest()
    buyer = buyers.make_buyer(simulator, openid=request.openid, unionid=request.unionid, phone=request.phone)
    return BuyerGiven(
        openid=buyer.openid,
        unionid=buyer.unionid,
        phone=buyer.phone,
        code=buyers.make_code(simulator, buyer, "login"),
        phone_code=buyers.make_code(simulator, buyer, "phone"),
    )


@router.post("/charges/{out_trade_no}/pay", tags=["charges"], summary="Pay a charge", responses=_OF_CHARGES)
async def pay(out_trade_no: str, simulator: _Simulator, request: PaymentRequest | None = None) -> dict[str, Any]:
    """The buyer pays. Returns the transaction as WeChat shows it; the notification follows by itself."""
    request = request or PaymentRequest()
    charge = _unpaid(simulator, out_trade_no)
    charges.pay_charge(simulator, charge, amount_fen=request.amount_fen)
    charge.stale_queries = request.stale_queries
    transaction = charges.view(simulator, charge)
    if request.notify:
        body = outbox.payment_body(simulator, transaction)
        delivery = outbox.Delivery(charge.order["notify_url"], body, out_trade_no)
        outbox.send(simulator, delivery, delay_s=request.delay_s, copies=request.repeat, forged=request.forge)
    return transaction


@router.post("/charges/{out_trade_no}/fail", tags=["charges"], summary="Let a payment fail", responses=_OF_CHARGES)
async def fail(out_trade_no: str, simulator: _Simulator) -> dict[str, Any]:
    """The payment fails (PAYERROR). WeChat sends nothing then, and the buyer may still pay."""
    charge = _unpaid(simulator, out_trade_no)
    charge.state = TradeState.PAYERROR
    return charges.view(simulator, charge)


@router.post("/refunds/hold", tags=["refunds"], summary="Hold future refunds")
async def hold_refunds(simulator: _Simulator, request: HoldRequest) -> HoldShown:
    """Future refunds stay PROCESSING until their outcome is given; those already held stay so when it is lifted."""
    simulator.holds_refunds = request.hold
    return HoldShown(hold=request.hold)


@router.post("/refunds/{out_refund_no}/outcome", tags=["refunds"], summary="Decide a refund", responses=_OF_REFUNDS)
async def decide_refund(out_refund_no: str, simulator: _Simulator, request: OutcomeRequest) -> dict[str, Any]:
    """The bank decides; the notification follows by itself."""
    refund = simulator.refunds.get(out_refund_no)
    if refund is None:
        raise _refused(404, code="refund_unknown")
    if refund.state in refunds.FINAL:
        raise _refused(409, code="refund_final", state=refund.state)
    refunds.decide(simulator, refund, request.state)
    return refunds.view(refund)


@router.post("/clock", tags=["time"], summary="Advance the clock")
async def advance_clock(simulator: _Simulator, request: ClockRequest) -> ClockShown:
    """Moves the simulator's clock forward and does what falls due: notifications, their repetitions, expiry.

    Returns when all of it is done, so it must not be called while handling a notification.
    """
    await simulator.schedule.advance(request.advance_s)
    return ClockShown(now=datetime.fromtimestamp(simulator.clock.now_s(), UTC))


@router.get("/calls", tags=["observation"], summary="List calls")
async def list_calls(simulator: _Simulator, limit: Annotated[int, Query(ge=1, le=MAX_CALLS)] = 100) -> Calls:
    """The latest calls in both directions, the newest first; the last 1,000 are kept."""
    latest = [call for call, _ in zip(reversed(simulator.calls), range(limit), strict=False)]
    return Calls(items=[CallShown.model_validate(call, from_attributes=True) for call in latest])


@router.get("/faults", tags=["faults"], summary="List the faults to come")
async def list_faults(simulator: _Simulator) -> Faults:
    """The faults still to come."""
    return _faults(simulator)


@router.post("/faults", tags=["faults"], summary="Add a fault")
async def add_fault(simulator: _Simulator, request: PlannedFault) -> Faults:
    """The next `times` calls to addresses under `path_prefix` go wrong; earlier faults are used up first."""
    simulator.faults.append(Fault(request.path_prefix, request.kind, request.times))
    return _faults(simulator)


@router.delete("/faults", tags=["faults"], summary="Clear all faults")
async def clear_faults(simulator: _Simulator) -> Faults:
    """No more faults."""
    simulator.faults.clear()
    return _faults(simulator)


def _faults(simulator: Simulator) -> Faults:
    return Faults(items=[PlannedFault.model_validate(fault, from_attributes=True) for fault in simulator.faults])


def _unpaid(simulator: Simulator, out_trade_no: str) -> Charge:
    charge = charges.find(simulator, out_trade_no)
    if charge is None:
        raise _refused(404, code="charge_unknown")
    if charge.state not in charges.UNPAID:
        code = "charge_closed" if charge.state == TradeState.CLOSED else "charge_paid"
        raise _refused(409, code=code)
    return charge
