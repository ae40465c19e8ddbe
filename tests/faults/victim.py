"""A process that ends itself by SIGKILL at a named point: `python -m tests.faults.victim ROLE POINT [SOCKET]`.

It is the product's own API, worker or live gateway. The product has no hooks for this: the wrapping happens here, from
outside.
"""

import asyncio
import dataclasses
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import uvicorn

from app import modules
from app.core.events import Consumer, Transactional
from app.core.settings import Settings
from app.processes import gateway as gateway_process
from app.processes import worker as worker_process
from app.processes.api import create_app

POINTS: dict[str, tuple[str, str, str]] = {
    "placing: written, not committed": ("after", "app.mall.orders.flows", "place"),
    "placing: committed, WeChat not asked": ("before", "app.payments.flows", "prepay"),
    "placing: WeChat has answered, nothing kept": ("after", "app.payments.flows", "prepay"),
    "placing: reply kept, not sent": ("after", "app.core.idempotency", "run"),
    "paying: order locked": ("after", "app.mall.orders.payment", "lock"),
    "paying: cash posted": ("after", "app.payments", "settle"),
    "paying: stock sold": ("after", "app.mall.catalog", "commit"),
    "paying: event published": ("after", "app.core.events", "publish"),
    "paying: committed, not answered": ("after", "app.payments.routes", "take_transaction"),
    "refunding: agreed, not committed": ("after", "app.mall.aftersales.refunds", "agree"),
    "refunding: committed, not answered": ("after", "app.core.idempotency", "run"),
    "sequencing: moved, not committed": ("after", "app.processes.worker", "sequence_once"),
    "consuming: cursor about to move": ("before", "app.core.events.consumers", "_advance"),
    "job: WeChat not asked": ("before", "app.wechat.WechatPay", "refund"),
    "job: WeChat has the refund, nothing kept": ("after", "app.wechat.WechatPay", "refund"),
    "job: result written, not committed": ("after", "app.payments.refunds", "settle_refund"),
}


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nothing runs after SIGKILL")


def fatal(when: str, original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapped(*args: Any, **options: Any) -> Any:
        if when == "before":
            die()
        result = await original(*args, **options)
        if isinstance(result, int) and result == 0:
            return result  # it had nothing to do yet
        die()

    return wrapped


def arm(point: str) -> None:
    if point == "never":
        return
    if point.startswith("consumer "):
        arm_consumer(point.removeprefix("consumer "))
        return
    when, path, name = POINTS[point]
    try:
        place: Any = importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, cls = path.rpartition(".")
        place = getattr(importlib.import_module(module), cls)
    setattr(place, name, fatal(when, getattr(place, name)))


def arm_consumer(name: str) -> None:
    """Killed once its effects are written or sent and its cursor has not moved."""

    def armed(consumer: Consumer) -> Consumer:
        if isinstance(consumer, Transactional):
            return dataclasses.replace(consumer, apply=fatal("after", consumer.apply))
        return dataclasses.replace(consumer, send=fatal("after", consumer.send))  # type: ignore[call-arg]

    position = next(i for i, consumer in enumerate(modules.consumers()) if consumer.name == name)
    modules.consumers()[position] = armed(modules.consumers()[position])


def main(role: str, point: str, descriptor: str | None = None) -> None:
    arm(point)
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    if role == "worker":
        asyncio.run(worker_process.run(settings, asyncio.Event()))
        return
    if role == "live":
        asyncio.run(gateway_process.run(settings, asyncio.Event()))
        return
    assert descriptor is not None
    config = uvicorn.Config(create_app(settings), log_level="error", loop="asyncio")
    listener = socket.socket(fileno=int(descriptor))
    asyncio.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main(*sys.argv[1:])
