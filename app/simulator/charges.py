"""The rules of charges: opening, asking, closing, paying.

Outside rules: pay.weixin.qq.com, "JSAPI prepay", "query", "close". Which code answers a closed or paid number at prepay
is from memory of the documentation and may differ at WeChat in detail.
"""

import re
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from app.core.clock import CHINA
from app.simulator.refusals import Refusal, wrong_field
from app.simulator.state import Charge, Simulator, keep
from app.wechat import RefundState, TradeState

MIN_LIFE = timedelta(minutes=1)
MAX_LIFE = timedelta(days=90)
DEFAULT_LIFE = timedelta(days=7)
MAX_DESCRIPTION_CHARACTERS = 127
MAX_ATTACH_CHARACTERS = 128
MAX_NOTIFY_URL_CHARACTERS = 255

UNPAID = (TradeState.NOTPAY, TradeState.PAYERROR)

_TRADE_NUMBER = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_STATE_TEXTS = {
    TradeState.SUCCESS: "支付成功",
    TradeState.REFUND: "转入退款",
    TradeState.NOTPAY: "订单未支付",
    TradeState.CLOSED: "订单已关闭",
    TradeState.PAYERROR: "支付失败",
}


def open_charge(simulator: Simulator, order: dict[str, Any]) -> Charge:
    """Opens the charge, or gives it a newer prepay id when the very same request comes again."""
    _check_fields(simulator, order)
    number = order["out_trade_no"]
    known = find(simulator, number)
    if known is None:
        expires_s = simulator.clock.now_s() + _life(order.get("time_expire")).total_seconds()
        charge = Charge(out_trade_no=number, order=order, expires_s=expires_s, prepay_id=_new_prepay_id())
        keep(simulator.charges, number, charge)
        return charge
    if known.state == TradeState.CLOSED:
        raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
    if known.order != order:
        if known.state in UNPAID:
            raise Refusal(400, "INVALID_REQUEST", "订单号重复, 请求参数与首次请求不一致")
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复")
    if known.state not in UNPAID:
        raise Refusal(400, "ORDERPAID", "该订单已支付")
    known.prepay_id = _new_prepay_id()
    return known


def find(simulator: Simulator, out_trade_no: str) -> Charge | None:
    """The charge, closed if its time is over on the moved clock."""
    charge = simulator.charges.get(out_trade_no)
    if charge is not None and charge.state in UNPAID and simulator.clock.now_s() >= charge.expires_s:
        charge.state = TradeState.CLOSED
    return charge


def find_known(simulator: Simulator, out_trade_no: str) -> Charge:
    charge = find(simulator, out_trade_no)
    if charge is None:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    return charge


def close_charge(simulator: Simulator, out_trade_no: str) -> None:
    charge = find_known(simulator, out_trade_no)
    if charge.state == TradeState.CLOSED:
        raise Refusal(400, "ORDER_CLOSED", "订单已关闭")
    if charge.state not in UNPAID:
        raise Refusal(400, "ORDERPAID", "订单已支付")
    charge.state = TradeState.CLOSED


def pay_charge(simulator: Simulator, charge: Charge, *, amount_fen: int | None) -> None:
    """The payer's money arrives; the caller has seen that the charge is unpaid."""
    assert charge.state in UNPAID
    charge.state = TradeState.SUCCESS
    charge.paid_at = datetime.now(CHINA)
    charge.paid_on_clock_s = simulator.clock.now_s()
    charge.paid_fen = charge.order["amount"]["total"] if amount_fen is None else amount_fen
    charge.transaction_id = (
        f"42000{secrets.randbelow(10**5):05d}{charge.paid_at:%Y%m%d}{secrets.randbelow(10**10):010d}"
    )
    keep(simulator.transactions, charge.transaction_id, charge.out_trade_no)


def queried(simulator: Simulator, charge: Charge) -> dict[str, Any]:
    """The charge as a query shows it: it may lag behind a payment."""
    if charge.stale_queries:
        charge.stale_queries -= 1
        return _unpaid_view(simulator, charge, TradeState.NOTPAY)
    return view(simulator, charge)


def view(simulator: Simulator, charge: Charge) -> dict[str, Any]:
    """The charge as it is, as WeChat shows it on the wire and in a notification."""
    state = charge.state
    if state == TradeState.SUCCESS and any(refund.state != RefundState.CLOSED for refund in charge.refunds):
        state = TradeState.REFUND
    if charge.paid_at is None:
        return _unpaid_view(simulator, charge, state)
    return _head(simulator, charge, state) | {
        "transaction_id": charge.transaction_id,
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "success_time": charge.paid_at.isoformat(timespec="seconds"),
        "payer": {"openid": charge.order["payer"]["openid"]},
        "amount": {
            "total": charge.paid_fen,
            "payer_total": charge.paid_fen,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }


def _unpaid_view(simulator: Simulator, charge: Charge, state: TradeState) -> dict[str, Any]:
    amount = {"total": charge.order["amount"]["total"], "payer_currency": "CNY"}
    return _head(simulator, charge, state) | {"amount": amount}


def _head(simulator: Simulator, charge: Charge, state: TradeState) -> dict[str, Any]:
    return {
        "appid": charge.order["appid"],
        "mchid": simulator.keys.mchid,
        "out_trade_no": charge.out_trade_no,
        "trade_state": state,
        "trade_state_desc": _STATE_TEXTS[state],
        "attach": charge.order.get("attach", ""),
    }


def _check_fields(simulator: Simulator, order: dict[str, Any]) -> None:
    if order.get("mchid") != simulator.keys.mchid:
        raise wrong_field("/mchid", "与签名的商户号不一致")
    if order.get("appid") != simulator.keys.appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mchid不匹配")
    number = order.get("out_trade_no")
    if not isinstance(number, str) or not _TRADE_NUMBER.fullmatch(number):
        raise wrong_field("/out_trade_no", "6-32个字符, 只能是数字、大小写字母_-|*")
    checked_text(order, "description", max_characters=MAX_DESCRIPTION_CHARACTERS, required=True)
    checked_text(order, "attach", max_characters=MAX_ATTACH_CHARACTERS)
    checked_notify_url(order, required=True)
    checked_amount(order, "total")
    payer = order.get("payer")
    openid = payer.get("openid") if isinstance(payer, dict) else None
    if not isinstance(openid, str) or openid not in simulator.buyers:
        raise wrong_field("/payer/openid", "无效的openid")


def _life(time_expire: object) -> timedelta:
    """How long a new charge may live from now; a repeated request keeps the life it began with."""
    if time_expire is None:
        return DEFAULT_LIFE
    try:
        at = datetime.fromisoformat(time_expire) if isinstance(time_expire, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise wrong_field("/time_expire", "不符合rfc3339格式")
    life = at - datetime.now(CHINA)
    if not MIN_LIFE <= life <= MAX_LIFE:
        raise wrong_field("/time_expire", "须在1分钟之后、90天之内")
    return life


def checked_text(order: dict[str, Any], name: str, *, max_characters: int, required: bool = False) -> None:
    value = order.get(name)
    if value is None and not required:
        return
    if not isinstance(value, str) or len(value) > max_characters or (required and not value):
        raise wrong_field(f"/{name}", f"1-{max_characters}个字符")


def checked_amount(order: dict[str, Any], name: str) -> int:
    """The whole number of fen under `amount`, at least 1, in CNY."""
    amount = order.get("amount")
    if not isinstance(amount, dict):
        raise wrong_field("/amount", "须为对象")
    fen = amount.get(name)
    if not isinstance(fen, int) or isinstance(fen, bool) or fen < 1:
        raise wrong_field(f"/amount/{name}", "须为大于0的整数, 单位为分")
    if amount.get("currency", "CNY") != "CNY":
        raise wrong_field("/amount/currency", "只支持CNY")
    return fen


def checked_notify_url(order: dict[str, Any], *, required: bool = False) -> None:
    """https without query or fragment; plain http only to this machine, which WeChat itself would not accept."""
    url = order.get("notify_url")
    if url is None and not required:
        return
    if not isinstance(url, str) or len(url) > MAX_NOTIFY_URL_CHARACTERS:
        raise wrong_field("/notify_url", "须为完整的URL")
    try:
        parts = urlsplit(url)
        local = parts.hostname in _LOOPBACK
    except ValueError:
        raise wrong_field("/notify_url", "须为完整的URL") from None
    allowed = parts.scheme == "https" or (parts.scheme == "http" and local)
    if not allowed or not parts.hostname or "?" in url or "#" in url:
        raise wrong_field("/notify_url", "须为https且不能携带参数")


def _new_prepay_id() -> str:
    return f"wx{datetime.now(CHINA):%d%H%M%S%f}{secrets.token_hex(9)}"
