"""Every reply that a test gets from the API is one that the published document declares."""

from typing import Any

import httpx

from app.core.http.shapes import codes_of
from tests.architecture.surface import openapi, template_of


def assert_declared(operation: dict[str, Any], reply: httpx.Response) -> None:
    """The status, and of a refusal the code and the headers as well."""
    where = f"{reply.request.method} {reply.request.url.path} {reply.status_code} {reply.text[:300]}"
    declared = operation["responses"].get(str(reply.status_code))
    assert declared is not None, f"not in the document: {where}"
    if reply.status_code >= 400 and "callbacks" not in operation["tags"]:
        assert reply.headers["content-type"] == "application/problem+json"
        assert set(reply.json()) == {"type", "title", "status", "code", "detail", "details", "request_id"}
        assert reply.json()["code"] in codes_of(declared), f"this code is not in the document: {where}"
    assert ("retry-after" in reply.headers) <= ("Retry-After" in declared.get("headers", {})), where
    assert ("idempotency-replayed" in reply.headers) <= ("Idempotency-Replayed" in declared.get("headers", {})), where


async def as_declared(reply: httpx.Response) -> None:
    """A hook of the tests' clients."""
    template = template_of(reply.request.url.path)
    operation = openapi()["paths"].get(template, {}).get(reply.request.method.lower())
    if operation is not None:
        await reply.aread()
        assert_declared(operation, reply)
