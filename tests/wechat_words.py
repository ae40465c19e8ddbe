"""WeChat's words, said by hand: genuine notifications with any content, to be sent in any order and number."""

from dataclasses import dataclass
from typing import Any

import httpx

from app.wechat.schemas import RefundState
from app.wechat.simulator import Simulator, outbox
from app.wechat.simulator.signing import signed_headers
from tests.conftest import Stage


@dataclass(frozen=True)
class Word:
    """One signed notification."""

    headers: dict[str, str]
    body: bytes

    async def say(self, client: httpx.AsyncClient, path: str = "/v1/mall/pay/notify") -> httpx.Response:
        return await client.post(path, content=self.body, headers=self.headers | {"Content-Type": "application/json"})


def simulator_of(stage: Stage) -> Simulator:
    simulator = stage.simulator_app.state.simulator
    assert isinstance(simulator, Simulator)
    return simulator


async def pay_in_silence(stage: Stage, charge: str, **asked: Any) -> dict[str, Any]:
    """The buyer pays and the notification is lost; answers the transaction as WeChat shows it."""
    paid = await stage.simulator.post(f"/simulator/charges/{charge}/pay", json={"notify": False, **asked})
    paid.raise_for_status()
    transaction: dict[str, Any] = paid.json()
    return transaction


def paid_word(stage: Stage, transaction: dict[str, Any]) -> Word:
    """WeChat says that this transaction is paid, rightly signed."""
    simulator = simulator_of(stage)
    body = outbox.payment_body(simulator, transaction)
    return Word(signed_headers(simulator.keys, body), body)


def refund_word(stage: Stage, refund: dict[str, Any], state: RefundState) -> Word:
    simulator = simulator_of(stage)
    body = outbox.refund_body(simulator, refund, state)
    return Word(signed_headers(simulator.keys, body), body)
