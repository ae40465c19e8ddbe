"""The published document, whole or for one kind of caller, served at `/openapi.json`."""

from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import FastAPI, Query, Response

from app.core.auth import public
from app.core.http.published import Document, drop_unused


class Audience(StrEnum):
    """Who calls: customers with the mini-program, distributors, or staff."""

    CUSTOMER = "customer"
    PARTNER = "partner"
    STAFF = "staff"


def audiences_of(path: str, shared: Collection[str]) -> set[Audience]:
    """Who calls an address. Providers' callbacks and health are nobody's; `shared` are those of all alike."""
    if not path.startswith("/v1/") or path.endswith("/notify"):
        return set()
    if path in shared:
        return set(Audience)
    for audience, prefix in ((Audience.STAFF, "/v1/admin/"), (Audience.PARTNER, "/v1/partner/")):
        if path.startswith(prefix):
            return {audience}
    return {Audience.CUSTOMER}


def part_for(document: Document, audience: Audience, shared: Collection[str]) -> Document:
    """The operations of one audience, and the schemas that they need."""
    paths = {path: methods for path, methods in document["paths"].items() if audience in audiences_of(path, shared)}
    schemas = dict(document["components"]["schemas"])
    drop_unused(schemas, paths)
    used = {tag for methods in paths.values() for operation in methods.values() for tag in operation["tags"]}
    return document | {
        "info": document["info"] | {"title": f"{document['info']['title']}: {audience.value}"},
        "tags": [tag for tag in document["tags"] if tag["name"] in used],
        "paths": paths,
        "components": document["components"] | {"schemas": schemas},
    }


def serve_document(app: FastAPI, *, shared: Collection[str]) -> None:
    """Serve `/openapi.json?audience=`; `shared` addresses stand in every audience's part. The app was made with
    `openapi_url=None`."""
    written: dict[Audience | None, bytes] = {}

    @app.get("/openapi.json", include_in_schema=False, dependencies=[public])
    async def openapi(
        audience: Annotated[Audience | None, Query(description="Whose part; all of it without.")] = None,
    ) -> Response:
        if audience not in written:
            document: dict[str, Any] = app.openapi()
            written[audience] = msgspec.json.encode(part_for(document, audience, shared) if audience else document)
        return Response(written[audience], media_type="application/json")
