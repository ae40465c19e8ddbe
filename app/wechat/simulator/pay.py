"""The simulated WeChat Pay: which address answers by which rule."""

from typing import Any

from starlette.routing import Route

from app.wechat.simulator import charges, refunds
from app.wechat.simulator.refusals import Refusal, wrong_field
from app.wechat.simulator.wire import Asked, pay_endpoint

_CHARGES = "/v3/pay/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"


def _prepay(asked: Asked) -> dict[str, Any]:
    asked.out_trade_no = _text(asked.fields.get("out_trade_no"))
    return {"prepay_id": charges.open_charge(asked.simulator, asked.fields).prepay_id}


def _query(asked: Asked) -> dict[str, Any]:
    _check_merchant(asked, asked.query.get("mchid"))
    return charges.queried(asked.simulator, charges.find_known(asked.simulator, asked.path["out_trade_no"]))


def _query_by_transaction(asked: Asked) -> dict[str, Any]:
    _check_merchant(asked, asked.query.get("mchid"))
    asked.out_trade_no = asked.simulator.transactions.get(asked.path["transaction_id"])
    return charges.queried(asked.simulator, charges.find_known(asked.simulator, asked.out_trade_no or ""))


def _close(asked: Asked) -> None:
    _check_merchant(asked, asked.fields.get("mchid"))
    charges.close_charge(asked.simulator, asked.path["out_trade_no"])


def _refund(asked: Asked) -> dict[str, Any]:
    asked.out_trade_no = _text(asked.fields.get("out_trade_no"))
    return refunds.view(refunds.open_refund(asked.simulator, asked.fields))


def _query_refund(asked: Asked) -> dict[str, Any]:
    refund = refunds.find_known(asked.simulator, asked.path["out_refund_no"])
    asked.out_trade_no = refund.charge.out_trade_no
    return refunds.view(refund)


def _not_simulated(_: Asked) -> None:
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "模拟器不支持该接口")


def _check_merchant(asked: Asked, mchid: object) -> None:
    if mchid != asked.simulator.keys.mchid:
        raise wrong_field("/mchid", "与签名的商户号不一致")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


ROUTES = [
    Route(f"{_CHARGES}/jsapi", pay_endpoint(_prepay), methods=["POST"]),
    Route(f"{_CHARGES}/out-trade-no/{{out_trade_no}}", pay_endpoint(_query), methods=["GET"]),
    Route(f"{_CHARGES}/out-trade-no/{{out_trade_no}}/close", pay_endpoint(_close), methods=["POST"]),
    Route(f"{_CHARGES}/id/{{transaction_id}}", pay_endpoint(_query_by_transaction), methods=["GET"]),
    Route(_REFUNDS, pay_endpoint(_refund), methods=["POST"]),
    Route(f"{_REFUNDS}/{{out_refund_no}}", pay_endpoint(_query_refund), methods=["GET"]),
    Route("/v3/{rest:path}", pay_endpoint(_not_simulated), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
]
