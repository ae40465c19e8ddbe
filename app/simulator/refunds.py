"""The rules of refunds: asking for one, its outcome, its notification.

Outside rules: pay.weixin.qq.com, "refund": the same number refunds once, at most 50 parts, together at most what was
paid, within 365 days; accepted means PROCESSING.
"""

import re
import secrets
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app.core.clock import CHINA
from app.simulator import outbox
from app.simulator.charges import checked_amount, checked_notify_url, checked_text, find
from app.simulator.refusals import Refusal, wrong_field
from app.simulator.state import Charge, Refund, Simulator, keep
from app.wechat import RefundState

MAX_PARTS = 50
MAX_AGE = timedelta(days=365)
MAX_REASON_CHARACTERS = 80
FINAL = (RefundState.SUCCESS, RefundState.CLOSED)

_REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")


def open_refund(simulator: Simulator, order: dict[str, Any]) -> Refund:
    """Accepts a refund, or returns the known one of the same number; it succeeds at once unless refunds are held."""
    number = order.get("out_refund_no")
    if not isinstance(number, str) or not _REFUND_NUMBER.fullmatch(number):
        raise wrong_field("/out_refund_no", "1-64个字符, 只能是数字、大小写字母_-|*@")
    checked_text(order, "reason", max_characters=MAX_REASON_CHARACTERS)
    checked_notify_url(order)
    refund_fen = checked_amount(order, "refund")
    total_fen = checked_amount(order, "total")
    known = simulator.refunds.get(number)
    if known is not None:
        if known.order != order:
            raise Refusal(400, "INVALID_REQUEST", "退款单号重复, 请求参数与首次请求不一致")
        return known
    charge = _paid_charge(simulator, order)
    _check_remaining(simulator, charge, refund_fen=refund_fen, total_fen=total_fen)
    refund = Refund(
        out_refund_no=number,
        refund_id=f"50{secrets.randbelow(10**26):026d}",
        charge=charge,
        order=order,
        refund_fen=refund_fen,
        created_at=datetime.now(CHINA),
    )
    charge.refunds.append(refund)
    keep(simulator.refunds, number, refund)
    if not simulator.holds_refunds:
        simulator.schedule.at(simulator.clock.now_s(), partial(_succeed, simulator, refund))
    return refund


def find_known(simulator: Simulator, out_refund_no: str) -> Refund:
    refund = simulator.refunds.get(out_refund_no)
    if refund is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return refund


def decide(simulator: Simulator, refund: Refund, state: RefundState) -> None:
    """Gives the refund its outcome and sends the notification; the caller has seen that it is not final."""
    assert refund.state not in FINAL
    refund.state = state
    if state == RefundState.SUCCESS:
        refund.succeeded_at = datetime.now(CHINA)
    url = refund.order.get("notify_url")
    if url:
        body = outbox.refund_body(simulator, _notified(simulator, refund), state)
        outbox.send(simulator, outbox.Delivery(url, body, refund.charge.out_trade_no))


def view(refund: Refund) -> dict[str, Any]:
    """The refund as a reply shows it."""
    shown = _shared(refund)
    shown["amount"] |= {
        "settlement_refund": refund.refund_fen,
        "settlement_total": shown["amount"]["total"],
        "discount_refund": 0,
        "currency": "CNY",
    }
    return shown | {
        "channel": "ORIGINAL",
        "create_time": refund.created_at.isoformat(timespec="seconds"),
        "status": refund.state,
        "funds_account": "AVAILABLE",
    }


def _notified(simulator: Simulator, refund: Refund) -> dict[str, Any]:
    # A notification calls the state otherwise than a reply does.
    return _shared(refund) | {"mchid": simulator.keys.mchid, "refund_status": refund.state}


def _shared(refund: Refund) -> dict[str, Any]:
    total_fen = refund.order["amount"]["total"]
    shown: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.charge.transaction_id,
        "out_trade_no": refund.charge.out_trade_no,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": total_fen,
            "refund": refund.refund_fen,
            "payer_total": total_fen,
            "payer_refund": refund.refund_fen,
        },
    }
    if refund.succeeded_at is not None:
        shown["success_time"] = refund.succeeded_at.isoformat(timespec="seconds")
    return shown


async def _succeed(simulator: Simulator, refund: Refund) -> None:
    if refund.state == RefundState.PROCESSING:
        decide(simulator, refund, RefundState.SUCCESS)


def _paid_charge(simulator: Simulator, order: dict[str, Any]) -> Charge:
    number = order.get("out_trade_no")
    if "transaction_id" in order:
        number = simulator.transactions.get(str(order["transaction_id"]))
    charge = find(simulator, number) if isinstance(number, str) else None
    if charge is None:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    if charge.paid_at is None:
        raise Refusal(400, "INVALID_REQUEST", "订单未支付")
    return charge


def _check_remaining(simulator: Simulator, charge: Charge, *, refund_fen: int, total_fen: int) -> None:
    assert charge.paid_on_clock_s is not None
    if total_fen != charge.paid_fen:
        raise Refusal(400, "INVALID_REQUEST", "订单金额与支付金额不一致")
    if simulator.clock.now_s() - charge.paid_on_clock_s > MAX_AGE.total_seconds():
        raise Refusal(400, "INVALID_REQUEST", "订单已超过退款期限")
    alive = [refund for refund in charge.refunds if refund.state != RefundState.CLOSED]
    if len(alive) >= MAX_PARTS:
        raise Refusal(400, "INVALID_REQUEST", "部分退款次数超过限制")
    if sum(refund.refund_fen for refund in alive) + refund_fen > total_fen:
        raise Refusal(400, "INVALID_REQUEST", "申请退款金额超过订单可退金额")
