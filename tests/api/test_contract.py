"""The published document against the API: requests made from its schemas, right and wrong, get only declared answers."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from tests.architecture.surface import openapi
from tests.declared import assert_declared
from tests.shop import Shop

T = TypeVar("T")

DOCUMENT = schemathesis.openapi.from_dict(openapi())
OPERATIONS = {result.ok().label: result.ok() for result in DOCUMENT.get_all_operations()}


async def caller_of(shop: Shop, path: str) -> httpx.AsyncClient:
    return await shop.staff("hq") if path.startswith("/v1/admin") else await shop.customer()


@pytest.mark.parametrize("label", sorted(OPERATIONS))
async def test_only_declared_answers(shop: Shop, label: str) -> None:
    operation = OPERATIONS[label]
    caller = await caller_of(shop, operation.path)
    loop = asyncio.get_running_loop()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    def check(case: Any) -> None:
        request = case.as_transport_kwargs(base_url="http://api")
        headers = {name: value for name, value in (request.get("headers") or {}).items() if name != "User-Agent"}
        names = {"params": "params", "json": "json", "data": "content"}
        sent = {ours: request[name] for name, ours in names.items() if request.get(name) is not None}
        reply = wait(caller.request(request["method"], request["url"], headers=headers, **sent))
        assert_declared(operation.definition.raw, reply)

    def explore() -> None:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode)
            test = given(case=strategy)(check)
            bounded = settings(
                max_examples=6,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                derandomize=True,
            )(test)
            try:
                bounded()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, "what takes no input cannot be asked wrongly"

    await asyncio.to_thread(explore)
