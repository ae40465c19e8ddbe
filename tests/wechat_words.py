"""Genuine notifications with any content, made by hand to be sent in any order and number."""

from dataclasses import dataclass
from typing import Any

import httpx

from app.simulator import Simulator, outbox
from app.simulator.signing import signed_headers
from app.wechat import RefundState
from tests.conftest import Stage


@dataclass(frozen=True)
class Word:
    """One signed notification, and the callback that it is meant for."""

    headers: dict[str, str]
    body: bytes
    path: str

    async def say(self, client: httpx.AsyncClient, path: str | None = None) -> httpx.Response:
        return await client.post(
            path or self.path, content=self.body, headers=self.headers | {"Content-Type": "application/json"}
        )


def simulator_of(stage: Stage) -> Simulator:
    simulator = stage.simulator_app.state.simulator
    assert isinstance(simulator, Simulator)
    return simulator


def notify_path(stage: Stage, what: str) -> str:
    """Where the simulator's merchant is told of its `transactions` or `refunds`."""
    return f"/v1/payments/{simulator_of(stage).keys.mchid}/{what}/notify"


async def pay_in_silence(stage: Stage, charge: str, **request: Any) -> dict[str, Any]:
    """The buyer pays and the notification is lost; returns the transaction as WeChat shows it."""
    paid = await stage.simulator.post(f"/simulator/charges/{charge}/pay", json={"notify": False, **request})
    paid.raise_for_status()
    transaction: dict[str, Any] = paid.json()
    return transaction


def paid_word(stage: Stage, transaction: dict[str, Any]) -> Word:
    """The notification that this transaction is paid."""
    simulator = simulator_of(stage)
    body = outbox.payment_body(simulator, transaction)
    return Word(signed_headers(simulator.keys, body), body, notify_path(stage, "transactions"))


def refund_word(stage: Stage, refund: dict[str, Any], state: RefundState) -> Word:
    """The notification that this refund reached `state`."""
    simulator = simulator_of(stage)
    body = outbox.refund_body(simulator, refund, state)
    return Word(signed_headers(simulator.keys, body), body, notify_path(stage, "refunds"))
