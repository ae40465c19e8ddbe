"""The `Idempotency-Key` header, and the reply that repeats receive."""

from typing import Annotated

from fastapi import Header, Request, Response
from fastapi.params import Depends

from app.core.auth.actors import Actor
from app.core.http.shapes import declares
from app.core.idempotency import IdempotencyKeyReused, Key, Reply, StillRunning


@declares(IdempotencyKeyReused, StillRunning)
async def _key(
    request: Request,
    idempotency_key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=64,
            pattern=r"^[\x21-\x7e]+$",
            description="Your own unique text for this act (a UUID is fine). Sending it again answers the first reply.",
        ),
    ],
) -> Key:
    actor: Actor = request.state.actor
    body = await request.body()
    return Key.of(
        f"{actor.kind.value}:{actor.id}", idempotency_key, request.method.encode(), request.url.path.encode(), body
    )


IdempotencyKey = Annotated[Key, Depends(_key)]
"""Name the actor before it in the signature: a key belongs to one actor."""


def reply_response(reply: Reply) -> Response:
    """The stored bytes as a response; `Idempotency-Replayed: true` on a repeat."""
    headers = {"Idempotency-Replayed": "true"} if reply.replayed else {}
    return Response(reply.body, status_code=reply.status, media_type="application/json", headers=headers)
