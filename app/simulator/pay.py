"""The simulated WeChat Pay: which address answers by which rule."""

from typing import Any

from starlette.routing import Route

from app.simulator import charges, refunds
from app.simulator.refusals import Refusal, wrong_field
from app.simulator.wire import WireRequest, pay_endpoint

_CHARGES = "/v3/pay/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"


def _prepay(request: WireRequest) -> dict[str, Any]:
    request.out_trade_no = _text(request.fields.get("out_trade_no"))
    return {"prepay_id": charges.open_charge(request.simulator, request.fields).prepay_id}


def _query(request: WireRequest) -> dict[str, Any]:
    _check_merchant(request, request.query.get("mchid"))
    return charges.queried(request.simulator, charges.find_known(request.simulator, request.parameters["out_trade_no"]))


def _query_by_transaction(request: WireRequest) -> dict[str, Any]:
    _check_merchant(request, request.query.get("mchid"))
    request.out_trade_no = request.simulator.transactions.get(request.parameters["transaction_id"])
    return charges.queried(request.simulator, charges.find_known(request.simulator, request.out_trade_no or ""))


def _close(request: WireRequest) -> None:
    _check_merchant(request, request.fields.get("mchid"))
    charges.close_charge(request.simulator, request.parameters["out_trade_no"])


def _refund(request: WireRequest) -> dict[str, Any]:
    request.out_trade_no = _text(request.fields.get("out_trade_no"))
    return refunds.view(refunds.open_refund(request.simulator, request.fields))


def _query_refund(request: WireRequest) -> dict[str, Any]:
    refund = refunds.find_known(request.simulator, request.parameters["out_refund_no"])
    request.out_trade_no = refund.charge.out_trade_no
    return refunds.view(refund)


def _not_simulated(_: WireRequest) -> None:
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "模拟器不支持该接口")


def _check_merchant(request: WireRequest, mchid: object) -> None:
    if mchid != request.simulator.keys.mchid:
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
