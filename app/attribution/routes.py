"""Touches and shares over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from app.attribution import touches
from app.attribution.schemas import ShareCreate, ShareLinkView, TouchCreate, TouchView
from app.core.auth import CurrentCustomer, public
from app.core.errors import NotFound, RateLimited, Unauthenticated, UpstreamFailed, ValidationFailed
from app.core.http import Db, RuntimeDep, Tx, door, limit, problems
from app.core.ids import TouchpointId, parse, wire
from app.wechat import MiniProgram

router = APIRouter(prefix="/v1", tags=["attribution"])
routers = [router]


@router.post(
    "/touches",
    status_code=201,
    summary="Record that the customer came by a link or code",
    responses=problems(Unauthenticated, NotFound, ValidationFailed, RateLimited),
)
async def create_touch(
    body: TouchCreate,
    actor: CurrentCustomer,
    _: Annotated[None, limit("touch", "60/minute")],
    runtime: RuntimeDep,
    session: Tx,
) -> TouchView:
    """Send it once whenever the mini-program is opened by a share card (`t` in the path) or a code (`scene`). The answer
    says what it points to and who is credited from now on."""
    return await touches.touch(
        session,
        runtime.settings,
        customer_id=actor.id,
        touchpoint_id=body.touchpoint or _scene(body.scene or ""),
        entry=body.entry,
    )


def _scene(scene: str) -> TouchpointId:
    try:
        return parse("tpt", scene)
    except ValueError:
        raise NotFound from None


@router.post(
    "/shares",
    status_code=201,
    summary="A link of one's own to a product or a room",
    responses=problems(Unauthenticated, NotFound, ValidationFailed, RateLimited),
)
async def create_share(
    body: ShareCreate,
    actor: CurrentCustomer,
    _: Annotated[None, limit("share", "60/minute")],
    runtime: RuntimeDep,
    session: Tx,
) -> ShareLinkView:
    """Put `path` into `onShareAppMessage`, or show the picture at `code_url`. Sales by it are credited to the sharer if
    he is a distributor or guide, else to whoever's link he came by (`via`)."""
    touchpoint = await touches.share(session, sharer_id=actor.id, asked=body)
    scene = wire("tpt", touchpoint.id)
    return ShareLinkView(
        id=touchpoint.id,
        path=touchpoint.path,
        scene=scene,
        code_url=f"{runtime.settings.public_url}/v1/shares/{scene}/code",
    )


@router.get(
    "/shares/{id}/code",
    summary="The mini-program code of a link, as a PNG",
    dependencies=[public, limit("code", "120/minute")],
    response_class=Response,
    responses={
        **problems(NotFound, ValidationFailed, RateLimited, UpstreamFailed),
        200: {"content": {"image/png": {}}},
    },
)
async def share_code(
    id: TouchpointId,
    database: Db,
    mini_program: Annotated[MiniProgram, Depends(door(MiniProgram))],
) -> Response:
    """Scanning it opens the product or room with the link's `scene`."""
    async with database.transaction() as session:
        page = await touches.code_target(session, id)
    picture = await mini_program.code_image(scene=wire("tpt", id), page=page)
    return Response(picture, media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})
